/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of the first engines (--link name[:alias]) on the default bridge: variables and a line in /etc/hosts that tell
 * of another container, as it is at this one's start.
 */
#include "engine/links.h"

#include "engine/network.h"
#include "model/ports.h"

#include <stdlib.h>

/* "name", "name:alias", and inspect's "/name:/me/alias". */
static void link_parse(struct arena *a, const char *text, const char **name, const char **alias)
{
	struct sv n, al;
	bool has = sv_cut(sv_of(text), ':', &n, &al);
	if (n.n && n.p[0] == '/')
		n = sv_sub(n, 1, n.n);
	if (has && sv_rfind(al, '/') >= 0)
		al = sv_sub(al, (size_t)sv_rfind(al, '/') + 1, al.n);
	*name = arena_strndup(a, n.p, n.n);
	*alias = has && al.n ? arena_strndup(a, al.p, al.n) : *name;
}

int links_check(struct engine *en, const struct api_host_config *hc, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const char *m = hc->network_mode;
	if (hc->links.n && str_eq(m, "host"))
		return err_set(
			e, ERR_INVALID,
			"conflicting options: host type networking can't be used with links. This would "
			"result in undefined behavior");
	if (hc->links.n && str_starts(m ? m : "", "container:"))
		return err_set(
			e, ERR_INVALID,
			"conflicting options: container type network can't be used with links. This would "
			"result in undefined behavior");
	model_for_each(it, &hc->links)
	{
		const char *name, *alias;
		link_parse(a, *it, &name, &alias);
		if (!*name)
			return err_set(e, ERR_INVALID, "bad format for links: %s", *it);
		cleanup_err struct err *why = NULL;
		cleanup_container struct container *c = container_find(en, name, &why);
		/* The request's fault, not a missing image. */
		if (!c)
			return err_set(e, ERR_INVALID, "could not get container for %s: %s", name,
				       err_text(why));
	}
	return 0;
}

struct port {
	unsigned number;
	const char *proto;
};

static int by_port(const void *x, const void *y)
{
	const struct port *a = x, *b = y;
	return a->number != b->number ? (a->number < b->number ? -1 : 1) : strcmp(a->proto, b->proto);
}

static const char *upper(struct arena *a, const char *s)
{
	char *u = arena_strdup(a, s);
	for (char *p = u; *p; p++)
		*p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
	return u;
}

static void variables(struct arena *a, const struct container_spec *me, const struct container_spec *other,
		      const char *alias, const char *ip, struct model_str_list *out)
{
	const char *up = upper(a, alias);
	const struct model_str_list *exposed = &other->config->exposed_ports;
	struct port *ports = arena_alloc(a, sizeof(*ports) * (exposed->n + 1));
	size_t n = 0;
	model_for_each(it, exposed)
	{
		struct port_range r;
		if (port_range_parse(sv_of(*it), &r, NULL) == 0)
			ports[n++] = (struct port){ r.first, r.proto };
	}
	qsort(ports, n, sizeof(*ports), by_port);
#define ADD(...) model_strs_add(a, out, arena_printf(a, __VA_ARGS__))
	if (n)
		ADD("%s_PORT=%s://%s:%u", up, ports[0].proto, ip, ports[0].number);
	for (size_t i = 0; i < n; i++) {
		const char *proto = upper(a, ports[i].proto);
		unsigned p = ports[i].number;
		ADD("%s_PORT_%u_%s=%s://%s:%u", up, p, proto, ports[i].proto, ip, p);
		ADD("%s_PORT_%u_%s_ADDR=%s", up, p, proto, ip);
		ADD("%s_PORT_%u_%s_PORT=%u", up, p, proto, p);
		ADD("%s_PORT_%u_%s_PROTO=%s", up, p, proto, ports[i].proto);
	}
	ADD("%s_NAME=/%s/%s", up, me->name, alias);
	model_for_each(it, &other->config->env) if (!str_starts(*it, "HOME=") && !str_starts(*it, "PATH=") &&
						    strchr(*it, '=')) ADD("%s_ENV_%s", up, *it);
#undef ADD
}

int links_resolve(struct container *c, const struct container_spec *s, struct arena *a,
		  struct model_str_list *env, struct strbuf *hosts, struct err **e)
{
	model_for_each(it, &s->host->links)
	{
		const char *name, *alias;
		link_parse(a, *it, &name, &alias);
		cleanup_container struct container *other = container_find(c->en, name, e);
		if (!other)
			return -1;
		cleanup_look struct container_look l;
		container_look(other, &l);
		const char *ip = network_address(other, a);
		if (!life_is_running(l.now.state) || !ip)
			return err_set(e, ERR_CONFLICT,
				       "Cannot link to a non running container: /%s AS /%s/%s", l.spec->name,
				       s->name, alias);
		if (env)
			variables(a, s, l.spec, alias, ip, env);
		if (hosts)
			sb_addf(hosts, "%s\t%s %.12s %s\n", ip, alias, other->id, l.spec->name);
	}
	return 0;
}

void links_show(const struct container_spec *s, struct arena *a, struct model_str_list *out)
{
	*out = (struct model_str_list){ 0 };
	model_for_each(it, &s->host->links)
	{
		const char *name, *alias;
		link_parse(a, *it, &name, &alias);
		model_strs_add(a, out, arena_printf(a, "/%s:/%s/%s", name, s->name, alias));
	}
}
