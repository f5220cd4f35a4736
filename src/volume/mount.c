/* SPDX-License-Identifier: Apache-2.0 */
/* A local volume with options: what `mount -t TYPE -o O DEVICE` would mount, made detached. */
#include "volume/volume-internal.h"

#include "base/fs.h"
#include "kernel/mount.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

int volume_check_options(const struct model_str_map *options, struct err **e)
{
	static const char *const known[] = { "type", "o", "device", "size" };
	const char *type = model_map_get(options, "type"), *device = model_map_get(options, "device");
	bool any = false;

	for (size_t i = 0; i < options->n; i++) {
		bool ok = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			ok = ok || str_eq(known[k], options->v[i].k);
		if (!ok)
			return err_set(e, ERR_INVALID, "invalid option: \"%s\"", options->v[i].k);
		any = any || !str_eq(options->v[i].k, "size");
	}
	if (model_map_get(options, "size"))
		return err_set(e, ERR_INVALID, "quota size requested but no quota support");
	if (any && str_empty(device))
		return err_set(e, ERR_INVALID, "missing device in volume options");
	if (any && str_empty(type))
		return err_set(e, ERR_INVALID, "missing type in volume options");
	return 0;
}

/* nfs and cifs take an address, not a name: addr=HOST is looked up here, as mount.nfs would. */
static char *resolve(const char *host)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char text[NI_MAXHOST];
	char *found = NULL;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return NULL;
	if (list &&
	    getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
		found = xstrdup(text);
	freeaddrinfo(list);
	return found;
}

static int apply_option(int fsfd, struct sv one, unsigned *attrs, struct err **e)
{
	cleanup_free char *text = sv_dup(one), *address = NULL;
	const struct mnt_option *known = mnt_option_find(text);
	char *value = strchr(text, '='), message[256];
	int r;

	if (known && known->kind == MNT_OPT_ATTR) {
		*attrs = (*attrs & ~known->clear) | known->set;
		return 0;
	}
	if (known && (known->kind == MNT_OPT_BIND || known->kind == MNT_OPT_IGNORE))
		return 0;
	if (fsfd < 0)
		return err_set(e, ERR_INVALID, "mount option '%s' has no meaning for a bind", text);
	if (value) {
		*value++ = '\0';
		if (strcmp(text, "addr") == 0) {
			address = resolve(value);
			if (!address)
				return err_set(e, ERR_SYSTEM,
					       "error resolving passed in network volume address: %s", value);
			value = address;
		}
		r = mnt_fs_set(fsfd, text, value);
	} else {
		r = mnt_fs_flag(fsfd, text);
	}
	if (r < 0)
		return err_sys(e, -r, "mount option '%s'%s%s", text,
			       *mnt_fs_message(fsfd, message, sizeof(message)) ? ": " : "", message);
	return 0;
}

int volume_mount_options(const struct volume *v, struct err **e)
{
	const char *type = model_map_get(&v->options, "type"), *device = model_map_get(&v->options, "device");
	struct sv rest = sv_of(model_map_get(&v->options, "o") ? model_map_get(&v->options, "o") : ""), one;
	bool bind = str_eq(type, "none") || str_eq(type, "bind"), recursive = false;
	cleanup_close int fsfd = -1, mount = -1;
	unsigned attrs = 0;
	int r;

	for (struct sv o = rest; o.n;) {
		(void)sv_cut(o, ',', &one, &o);
		bind = bind || sv_eqs(one, "bind") || sv_eqs(one, "rbind");
		recursive = recursive || sv_eqs(one, "rbind");
	}
	if (!bind) {
		char message[256];

		fsfd = mnt_fs_open(type);
		if (fsfd < 0)
			return err_sys(e, -fsfd, "failed to mount local volume: mount %s:%s: type '%s'",
				       device, v->mountpoint, type);
		r = mnt_fs_set(fsfd, "source", device);
		if (r < 0)
			return err_sys(e, -r, "failed to mount local volume: mount %s:%s: %s", device,
				       v->mountpoint, mnt_fs_message(fsfd, message, sizeof(message)));
	}
	while (rest.n) {
		(void)sv_cut(rest, ',', &one, &rest);
		if (one.n && apply_option(fsfd, one, &attrs, e) < 0)
			return err_wrap(e, "failed to mount local volume: mount %s:%s", device,
					v->mountpoint);
	}
	if (bind) {
		mount = mnt_clone(AT_FDCWD, device, recursive);
		if (mount >= 0 && attrs) {
			r = mnt_setattr(mount, "", recursive, attrs, 0, 0, -1);
			if (r < 0)
				return err_sys(e, -r, "failed to mount local volume: mount %s:%s", device,
					       v->mountpoint);
		}
	} else {
		mount = mnt_fs_mount(fsfd, attrs);
	}
	if (mount < 0)
		return err_sys(e, -mount, "failed to mount local volume: mount %s:%s", device, v->mountpoint);
	return TAKE_FD(mount);
}
