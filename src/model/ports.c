/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ports.h"

#include <arpa/inet.h>
#include <errno.h>

const char *port_proto(struct sv s)
{
	if (!s.n || sv_ieqs(s, "tcp"))
		return "tcp";
	if (sv_ieqs(s, "udp"))
		return "udp";
	if (sv_ieqs(s, "sctp"))
		return "sctp";
	return NULL;
}

int port_numbers_parse(struct sv s, uint16_t *first, uint16_t *last)
{
	struct sv lo, hi;
	uint64_t a, b;

	bool range = sv_cut(s, '-', &lo, &hi);
	if (parse_u64(lo, UINT16_MAX, &a) < 0)
		return -EINVAL;
	b = a;
	if (range && (parse_u64(hi, UINT16_MAX, &b) < 0 || b < a))
		return -EINVAL;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

int port_range_parse(struct sv s, struct port_range *out, struct err **e)
{
	struct sv port, proto;
	struct port_range r;

	(void)sv_cut(s, '/', &port, &proto);
	if (sv_find(proto, '/') >= 0 || !port.n || port_numbers_parse(port, &r.first, &r.last) < 0)
		return err_set(e, ERR_INVALID, "invalid port specification: \"%.*s\"", (int)s.n, s.p);
	r.proto = port_proto(proto);
	if (!r.proto)
		return err_set(e, ERR_INVALID, "invalid proto: %.*s", (int)proto.n, proto.p);
	*out = r;
	return 0;
}

const char *port_key(struct arena *a, uint16_t port, const char *proto)
{
	return arena_printf(a, "%u/%s", (unsigned)port, proto);
}

bool ip_is_valid(struct sv s)
{
	char buf[INET6_ADDRSTRLEN + 1];
	unsigned char addr[16];

	if (!s.n || s.n >= sizeof(buf) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	return inet_pton(AF_INET, buf, addr) == 1 || inet_pton(AF_INET6, buf, addr) == 1;
}

struct api_port_binding_list *ports_get(const struct api_port_binding_list_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++) {
		if (str_eq(m->v[i].k, key))
			return &m->v[i].v;
	}
	return NULL;
}

struct api_port_binding_list *ports_add(struct arena *a, struct api_port_binding_list_map *m, const char *key)
{
	struct api_port_binding_list *l = ports_get(m, key);

	if (l)
		return l;
	struct api_port_binding_list_entry *en = model_list_add(a, m);
	en->k = arena_strdup(a, key);
	return &en->v;
}

static void expose(struct arena *a, struct model_str_list *exposed, const char *key)
{
	if (!model_strs_has(exposed, key))
		model_strs_add(a, exposed, key);
}

int ports_publish(struct arena *a, struct sv spec, struct model_str_list *exposed,
		  struct api_port_binding_list_map *bindings, struct err **e)
{
	struct sv ip = { 0 }, host = { 0 }, container = spec, port, proto_text;
	uint16_t c_first, c_last, h_first = 0, h_last = 0;

	/* From the right, because an address may hold colons. */
	ssize_t at = sv_rfind(spec, ':');
	if (at >= 0) {
		container = sv_sub(spec, (size_t)at + 1, spec.n);
		host = sv_sub(spec, 0, (size_t)at);
		at = sv_rfind(host, ':');
		if (at >= 0) {
			ip = sv_sub(host, 0, (size_t)at);
			host = sv_sub(host, (size_t)at + 1, host.n);
		}
	}
	(void)sv_cut(container, '/', &port, &proto_text);
	const char *proto = port_proto(proto_text);
	if (!proto)
		return err_set(e, ERR_INVALID, "invalid proto: %.*s", (int)proto_text.n, proto_text.p);
	if (ip.n && ip.p[0] == '[') {
		if (ip.n < 2 || ip.p[ip.n - 1] != ']')
			return err_set(e, ERR_INVALID, "invalid IP address: %.*s", (int)ip.n, ip.p);
		ip = sv_sub(ip, 1, ip.n - 1);
	}
	if (ip.n && !ip_is_valid(ip))
		return err_set(e, ERR_INVALID, "invalid IP address: %.*s", (int)ip.n, ip.p);
	if (!port.n)
		return err_set(e, ERR_INVALID, "no port specified: %.*s<empty>", (int)spec.n, spec.p);
	if (port_numbers_parse(port, &c_first, &c_last) < 0)
		return err_set(e, ERR_INVALID, "invalid containerPort: %.*s", (int)port.n, port.p);
	if (host.n && port_numbers_parse(host, &h_first, &h_last) < 0)
		return err_set(e, ERR_INVALID, "invalid hostPort: %.*s", (int)host.n, host.p);
	bool one = c_first == c_last;
	/* A range of host ports for one container port means: any free one of them. */
	if (host.n && c_last - c_first != h_last - h_first && !one)
		return err_set(e, ERR_INVALID,
			       "invalid ranges specified for container and host Ports: %.*s and %.*s",
			       (int)port.n, port.p, (int)host.n, host.p);

	for (unsigned i = 0; i <= (unsigned)(c_last - c_first); i++) {
		const char *key = port_key(a, (uint16_t)(c_first + i), proto);
		struct api_port_binding *b = model_list_add(a, ports_add(a, bindings, key));
		b->host_ip = arena_strndup(a, ip.p ? ip.p : "", ip.n);
		if (!host.n)
			b->host_port = "";
		else if (one && h_first != h_last)
			b->host_port = arena_printf(a, "%u-%u", (unsigned)h_first, (unsigned)h_last);
		else
			b->host_port = arena_printf(a, "%u", h_first + i);
		expose(a, exposed, key);
	}
	return 0;
}

int ports_expose(struct arena *a, struct sv spec, struct model_str_list *exposed, struct err **e)
{
	struct port_range r;

	if (sv_find(spec, ':') >= 0)
		return err_set(e, ERR_INVALID, "invalid port format for --expose: %.*s", (int)spec.n, spec.p);
	if (port_range_parse(spec, &r, NULL) < 0) {
		struct sv port, proto;
		(void)sv_cut(spec, '/', &port, &proto);
		return err_set(e, ERR_INVALID,
			       "invalid range format for --expose: %.*s, error: strconv.ParseUint: parsing "
			       "\"%.*s\": "
			       "invalid syntax",
			       (int)spec.n, spec.p, (int)port.n, port.p);
	}
	for (unsigned p = r.first; p <= r.last; p++)
		expose(a, exposed, port_key(a, (uint16_t)p, r.proto));
	return 0;
}

int ports_check_bindings(const struct api_port_binding_list_map *bindings, struct err **e)
{
	struct port_range r;

	for (size_t i = 0; i < bindings->n; i++) {
		struct sv key = sv_of(bindings->v[i].k);
		if (port_range_parse(key, &r, e) < 0)
			return -1;
		if (r.first != r.last)
			return err_set(e, ERR_INVALID, "invalid port specification: \"%u-%u\"",
				       (unsigned)r.first, (unsigned)r.last);
		for (size_t k = 0; k < bindings->v[i].v.n; k++) {
			const struct api_port_binding *b = &bindings->v[i].v.v[k];
			uint16_t lo, hi;
			if (!str_empty(b->host_port) && port_numbers_parse(sv_of(b->host_port), &lo, &hi) < 0)
				return err_set(e, ERR_INVALID, "invalid port specification: \"%s\"",
					       b->host_port);
			if (!str_empty(b->host_ip) && !ip_is_valid(sv_of(b->host_ip)))
				return err_set(e, ERR_INVALID, "invalid IP address: %s", b->host_ip);
		}
	}
	return 0;
}

int ports_check_exposed(const struct model_str_list *exposed, struct err **e)
{
	struct port_range r;

	for (size_t i = 0; i < exposed->n; i++) {
		if (port_range_parse(sv_of(exposed->v[i]), &r, e) < 0)
			return -1;
	}
	return 0;
}
