/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/network.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "codec/digest.h"
#include "engine/events.h"
#include "monitor/client.h"
#include "net/lxc.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

struct container_net {
	struct net_endpoint ep;
	bool has_ep;
	int lent_fd; /* namespace that holds devices of the host's (lxc.network.type=phys); -1: none */
};

static struct container_net *container_net_new(void)
{
	struct container_net *n = NEW(struct container_net);
	n->lent_fd = -1;
	return n;
}

/* Keeps the namespace until its devices are back. */
static void keep_lent(struct container *c, const struct net_lxc *lxc, int nsfd)
{
	if (!lxc || !net_lxc_needs_undo(lxc))
		return;
	pthread_mutex_lock(&c->lock);
	if (!c->net)
		c->net = container_net_new();
	c->net->lent_fd = fcntl(nsfd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&c->lock);
}

const char *network_mode(const struct container_spec *s)
{
	const char *m = s->host->network_mode;
	if (s->config->network_disabled)
		return "none";
	if (str_empty(m) || str_eq(m, "default"))
		return "bridge";
	return m;
}

static const char *const network_names[] = { "bridge", "host", "none" };

void network_ids_make(struct engine *en)
{
	for (size_t i = 0; i < ARRAY_LEN(network_names); i++) {
		cleanup_free char *text = xasprintf("%s/%s", en->id, network_names[i]);
		sha256_of(text, strlen(text), en->network_ids[i]);
	}
}

const char *network_id(const struct engine *en, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(network_names); i++)
		if (str_eq(name, network_names[i]))
			return en->network_ids[i];
	return "";
}

/* connect and disconnect, of the three networks that exist. */
static void network_event(struct container *c, const struct container_spec *s, const char *action)
{
	static const char *const drivers[] = { "bridge", "host", "null" };
	const char *m = network_mode(s);
	for (size_t i = 0; i < ARRAY_LEN(network_names); i++)
		if (!strcmp(m, network_names[i]))
			events_publish(c->en->events, "network", action, c->en->network_ids[i],
				       log_kv("container", c->id, "name", m, "type", drivers[i]));
}

static int lxc_of(const struct api_host_config *hc, struct net_lxc **out, struct err **e)
{
	*out = NULL;
	if (!hc->lxc_conf.n)
		return 0;
	struct net_lxc_kv *kv = xcalloc(hc->lxc_conf.n, sizeof(*kv));
	for (size_t i = 0; i < hc->lxc_conf.n; i++)
		kv[i] = (struct net_lxc_kv){ hc->lxc_conf.v[i].key, hc->lxc_conf.v[i].value };
	int r = net_lxc_parse(kv, hc->lxc_conf.n, out, e);
	free(kv);
	return r;
}

/* Published ports of the request; with `publish_all` every exposed one that has no binding. */
static int ports_of(const struct api_container_config *cc, const struct api_host_config *hc,
		    struct net_ports *out, struct err **e)
{
	model_for_each(it, &hc->port_bindings)
	{
		if (!it->v.n && net_ports_add(out, it->k, "", "", e) < 0)
			return -1;
		model_for_each(b, &it->v)
		{
			if (net_ports_add(out, it->k, b->host_ip ? b->host_ip : "",
					  b->host_port ? b->host_port : "", e) < 0)
				return -1;
		}
	}
	if (!hc->publish_all_ports)
		return 0;
	model_for_each(port, &cc->exposed_ports)
	{
		bool bound = false;
		model_for_each(it, &hc->port_bindings) bound |= str_eq(it->k, *port);
		if (!bound && net_ports_add(out, *port, "", "", e) < 0)
			return -1;
	}
	return 0;
}

int network_check(const struct api_container_config *cc, const struct api_host_config *hc,
		  const struct api_networking_config *nc, struct err **e)
{
	const char *m = str_empty(hc->network_mode) ? "default" : hc->network_mode;
	if (str_starts(m, "container:")) {
		if (!m[10])
			return err_set(e, ERR_INVALID,
				       "Invalid network mode: invalid container format container:<name|id>");
		if (hc->port_bindings.n || hc->publish_all_ports)
			return err_set(
				e, ERR_INVALID,
				"conflicting options: port publishing and the container type network mode");
		if (!str_empty(cc->hostname))
			return err_set(e, ERR_INVALID, "conflicting options: hostname and the network mode");
	} else if (strcmp(m, "default") != 0 && strcmp(m, "bridge") != 0 && strcmp(m, "none") != 0 &&
		   strcmp(m, "host") != 0) {
		return err_set(e, ERR_NOT_FOUND, "network %s not found", m);
	}
	if (nc) {
		model_for_each(it, &nc->endpoints_config)
		{
			if (strcmp(it->k, "bridge") != 0 && strcmp(it->k, "default") != 0 &&
			    strcmp(it->k, "none") != 0 && strcmp(it->k, "host") != 0 && strcmp(it->k, m) != 0)
				return err_set(e, ERR_NOT_FOUND, "network %s not found", it->k);
			if (it->v.ipam_config && (!str_empty(it->v.ipam_config->ipv4_address) ||
						  !str_empty(it->v.ipam_config->ipv6_address)))
				return err_set(e, ERR_INVALID,
					       "invalid config for network %s: invalid endpoint "
					       "settings:\nuser specified IP "
					       "address is supported on user defined networks only",
					       it->k);
			if (it->v.aliases.n)
				return err_set(e, ERR_INVALID,
					       "invalid config for network %s: invalid endpoint "
					       "settings:\nnetwork-scoped alias "
					       "is supported only for containers in user defined networks",
					       it->k);
		}
	}
	cleanup_net_ports struct net_ports ports = { 0 };
	if (ports_of(cc, hc, &ports, e) < 0)
		return -1;
	model_for_each(port, &cc->exposed_ports)
	{
		uint16_t p;
		enum net_proto proto;
		if (net_port_parse(*port, &p, &proto, e) < 0)
			return -1;
	}
	cleanup_net_lxc struct net_lxc *lxc = NULL;
	if (lxc_of(hc, &lxc, e) < 0)
		return -1;
	size_t n = 0;
	const struct net_lxc_line *others = lxc ? net_lxc_others(lxc, &n) : NULL;
	for (size_t i = 0; i < n; i++) {
		if (others[i].kind != NET_LXC_UTSNAME)
			return err_set(e, ERR_NOT_IMPLEMENTED,
				       "HostConfig.LxcConf: key \"%s\" is not supported", others[i].name);
	}
	return 0;
}

int container_join_ns(struct engine *en, const char *ref, const char *kind, int *fd, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	cleanup_run struct run *r = container_run_get(c);
	if (!r)
		return err_set(e, ERR_CONFLICT, "cannot join %s of a non running container: %s", kind, c->id);
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)monitor_pid(r->m), kind);
	cleanup_close int got = fs_open(path, O_RDONLY, 0);
	if (got < 0)
		return err_sys(e, -got, "open the %s namespace of container %s", kind, c->id);
	/* The number may have been given to somebody else meanwhile; while our pidfd still lives it was not. */
	if (proc_pidfd_signal(monitor_pidfd(r->m), 0) < 0)
		return err_set(e, ERR_CONFLICT, "cannot join %s of a non running container: %s", kind, c->id);
	*fd = TAKE_FD(got);
	return 0;
}

static int parse_mac(const char *s, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++) {
		if (i && *s++ != ':')
			return -EINVAL;
		if (strlen(s) < 2 || hex_decode(sv_n(s, 2), &mac[i], 1) < 0)
			return -EINVAL;
		s += 2;
	}
	return *s ? -EINVAL : 0;
}

static const char *mac_of(const struct container_spec *s)
{
	if (s->networking)
		model_for_each(it,
			       &s->networking->endpoints_config) if (!str_empty(it->v.mac_address)) return it
			->v.mac_address;
	return s->config->mac_address;
}

static int join_bridge(struct container *c, const struct container_spec *s, struct net_ns *ns, struct err **e)
{
	struct engine *en = c->en;
	cleanup_net_ports struct net_ports ports = { 0 };
	if (ports_of(s->config, s->host, &ports, e) < 0)
		return -1;
	uint8_t mac[6];
	const char *mac_text = mac_of(s);
	if (!str_empty(mac_text) && parse_mac(mac_text, mac) < 0)
		return err_set(e, ERR_INVALID, "%s is not a valid mac address", mac_text);
	struct net_endpoint_request rq = {
		.id = c->id,
		.name = s->name,
		.ns = ns,
		.mac = str_empty(mac_text) ? NULL : mac,
		.ports = ports.v,
		.n_ports = ports.n,
	};
	struct container_net *n = container_net_new();
	if (net_endpoint_join(en->net, &rq, &n->ep, e) < 0) {
		free(n);
		return -1;
	}
	n->has_ep = true;
	pthread_mutex_lock(&c->lock);
	c->net = n;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int network_join(struct container *c, const struct container_spec *s, struct net_ns **ns, struct err **e)
{
	struct engine *en = c->en;
	const char *m = network_mode(s);
	*ns = NULL;
	cleanup_net_lxc struct net_lxc *lxc = NULL;
	if (lxc_of(s->host, &lxc, e) < 0)
		return -1;
	network_event(c, s, "connect");
	if (strcmp(m, "host") == 0 || (lxc && net_lxc_wants_host(lxc)))
		return 0;
	if (str_starts(m, "container:")) {
		cleanup_close int fd = -1;
		if (container_join_ns(en, m + 10, "net", &fd, e) < 0)
			return -1;
		return net_ns_adopt(fd, ns, e);
	}
	cleanup_net_ns struct net_ns *own = NULL;
	if (net_ns_create(en->net, &own, e) < 0)
		return -1;
	if (strcmp(m, "bridge") == 0 && join_bridge(c, s, own, e) < 0)
		return -1;
	if (lxc && net_lxc_sections(lxc) && net_lxc_apply(lxc, own, e) < 0) {
		network_leave(c, s);
		return -1;
	}
	keep_lent(c, lxc, net_ns_fd(own));
	*ns = TAKE_PTR(own);
	return 0;
}

void container_net_free(struct container_net *n)
{
	if (!n)
		return;
	net_endpoint_release(&n->ep);
	fd_close(&n->lent_fd);
	free(n);
}

void network_leave(struct container *c, const struct container_spec *s)
{
	cleanup_net_lxc struct net_lxc *lxc = NULL;
	pthread_mutex_lock(&c->lock);
	struct container_net *n = TAKE_PTR(c->net);
	pthread_mutex_unlock(&c->lock);
	if (n && n->has_ep)
		net_endpoint_leave(c->en->net, c->id);
	if (n && n->lent_fd >= 0 && lxc_of(s->host, &lxc, NULL) == 0 && lxc)
		net_lxc_undo(lxc, n->lent_fd);
	network_event(c, s, "disconnect");
	container_net_free(n);
}

char *network_text(struct container *c)
{
	cleanup_strbuf struct strbuf b = { 0 };
	pthread_mutex_lock(&c->lock);
	if (c->net && c->net->has_ep)
		net_endpoint_encode(&c->net->ep, &b);
	pthread_mutex_unlock(&c->lock);
	return b.n ? sb_take(&b) : NULL;
}

void network_adopt(struct container *c, const struct container_spec *s, const char *text)
{
	cleanup_err struct err *e = NULL;
	cleanup_net_lxc struct net_lxc *lxc = NULL;
	if (lxc_of(s->host, &lxc, NULL) == 0 && lxc && net_lxc_needs_undo(lxc)) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->now.pid);
		cleanup_close int nsfd = fs_open(path, O_RDONLY, 0);
		if (nsfd >= 0)
			keep_lent(c, lxc, nsfd);
	}
	if (str_empty(text))
		return;
	struct container_net *n = c->net ? c->net : container_net_new();
	if (net_endpoint_decode(sv_of(text), &n->ep, &e) < 0 ||
	    net_endpoint_restore(c->en->net, c->id, &n->ep, &e) < 0) {
		log_error(log_kv("container", c->id), "cannot restore its network: %s", err_text(e));
		if (n != c->net)
			container_net_free(n);
		return;
	}
	n->has_ep = true;
	c->net = n;
}

bool network_endpoint(struct container *c, struct net_endpoint *out)
{
	pthread_mutex_lock(&c->lock);
	bool has = c->net && c->net->has_ep;
	if (has) {
		*out = c->net->ep;
		out->ports = NULL;
		out->n_ports = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return has;
}

const char *network_address(struct container *c, struct arena *a)
{
	char text[INET_ADDRSTRLEN];
	struct net_endpoint ep;
	return network_endpoint(c, &ep) && inet_ntop(AF_INET, &ep.ip, text, sizeof(text))
		       ? arena_strdup(a, text)
		       : NULL;
}

/* --- for inspect and list --- */

static const char *ip_text(struct arena *a, struct in_addr ip)
{
	char text[INET_ADDRSTRLEN] = "";
	return inet_ntop(AF_INET, &ip, text, sizeof(text)) ? arena_strdup(a, text) : "";
}

static struct api_port_binding_list *bindings_for(struct arena *a, struct api_network_settings *out,
						  const char *key)
{
	model_for_each(it, &out->ports) if (str_eq(it->k, key)) return &it->v;
	typeof(out->ports.v) m = model_list_add(a, &out->ports);
	m->k = key;
	return &m->v;
}

static const char *mode_key(const struct container_spec *s)
{
	const char *m = network_mode(s);
	return str_starts(m, "container:") ? NULL : m;
}

void network_describe(struct container *c, const struct container_look *l, struct arena *a,
		      struct api_network_settings *out)
{
	const char *key = mode_key(l->spec);
	pthread_mutex_lock(&c->lock);
	const struct net_endpoint *ep = c->net && c->net->has_ep ? &c->net->ep : NULL;
	struct api_endpoint_settings *es = NULL;
	out->sandbox_id = "";
	if (key) {
		typeof(out->networks.v) m = model_list_add(a, &out->networks);
		m->k = key;
		es = &m->v;
		if (l->spec->networking)
			model_for_each(it,
				       &l->spec->networking->endpoints_config) if (str_eq(it->k, key)) *es =
				it->v;
	}
	if (life_is_running(l->now.state)) {
		out->sandbox_key = arena_printf(a, "/proc/%d/ns/net", (int)l->now.pid);
		out->sandbox_id = arena_strdup(a, c->id);
		model_for_each(port, &l->spec->config->exposed_ports)(void) bindings_for(a, out, *port);
	}
	if (ep && es) {
		es->network_id = network_id(c->en, key);
		es->endpoint_id = arena_strdup(a, ep->endpoint_id);
		es->gateway = ip_text(a, ep->gateway);
		es->ip_address = ip_text(a, ep->ip);
		es->ip_prefix_len = ep->prefix;
		es->mac_address = arena_printf(a, "%02x:%02x:%02x:%02x:%02x:%02x", ep->mac[0], ep->mac[1],
					       ep->mac[2], ep->mac[3], ep->mac[4], ep->mac[5]);
		out->endpoint_id = es->endpoint_id;
		out->gateway = es->gateway;
		out->ip_address = es->ip_address;
		out->ip_prefix_len = es->ip_prefix_len;
		out->mac_address = es->mac_address;
		for (size_t i = 0; i < ep->n_ports; i++) {
			const struct net_port *p = &ep->ports[i];
			struct api_port_binding_list *bl = bindings_for(
				a, out, arena_printf(a, "%u/%s", p->port, net_proto_name(p->proto)));
			struct api_port_binding *b = model_list_add(a, bl);
			b->host_ip = ip_text(a, p->host_ip);
			b->host_port = arena_printf(a, "%u", p->host_first);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

void network_ports(struct container *c, const struct container_look *l, struct arena *a,
		   struct api_port_list *out)
{
	pthread_mutex_lock(&c->lock);
	const struct net_endpoint *ep = c->net && c->net->has_ep ? &c->net->ep : NULL;
	for (size_t i = 0; ep && i < ep->n_ports; i++) {
		const struct net_port *p = &ep->ports[i];
		struct api_port *o = model_list_add(a, out);
		o->ip = ip_text(a, p->host_ip);
		o->private_port = p->port;
		o->public_port = p->host_first;
		o->type = net_proto_name(p->proto);
	}
	if (life_is_running(l->now.state) && ep) {
		model_for_each(port, &l->spec->config->exposed_ports)
		{
			uint16_t num;
			enum net_proto proto;
			bool bound = false;
			if (net_port_parse(*port, &num, &proto, NULL) < 0)
				continue;
			for (size_t i = 0; i < ep->n_ports; i++)
				bound |= ep->ports[i].port == num && ep->ports[i].proto == proto;
			if (bound)
				continue;
			struct api_port *o = model_list_add(a, out);
			o->private_port = num;
			o->type = net_proto_name(proto);
		}
	}
	pthread_mutex_unlock(&c->lock);
}
