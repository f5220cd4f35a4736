/* SPDX-License-Identifier: Apache-2.0 */
/* Resource usage of one container, as Docker's JSON: control group numbers, and the counters of its interface. */
#include "base/clock.h"
#include "base/fs.h"
#include "engine/engine-internal.h"
#include "engine/network.h"
#include "engine/observe.h"
#include "net/net.h"

#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define PROC_STAT_MAX (1 << 20)

struct engine_stats {
	struct container *c;
	struct cgroup_stats *cg; /* large */
	struct arena *arena;     /* of the sample before */
	struct api_cpu_stats previous;
	int64_t previous_ns;
};

int engine_stats_open(struct engine *en, const char *ref, struct engine_stats **out, struct err **e)
{
	struct container *c = container_find(en, ref, e);

	if (!c)
		return -1;
	struct engine_stats *s = NEW(struct engine_stats);
	s->c = c;
	s->cg = NEW(struct cgroup_stats);
	*out = s;
	return 0;
}

void engine_stats_close(struct engine_stats *s)
{
	if (!s)
		return;
	container_unref(s->c);
	arena_free(s->arena);
	free(s->cg);
	free(s);
}

static enum life state_of(struct engine_stats *s)
{
	(void)pthread_mutex_lock(&s->c->lock);
	enum life l = s->c->now.state;
	(void)pthread_mutex_unlock(&s->c->lock);
	return l;
}

bool engine_stats_is_running(struct engine_stats *s)
{
	return life_is_running(state_of(s));
}

bool engine_stats_is_gone(struct engine_stats *s)
{
	return state_of(s) == LIFE_GONE;
}

/* The host's CPU time: the first seven columns of /proc/stat's first line, in ns; and how many CPUs are on. */
static void host_cpu(uint64_t *total_ns, uint32_t *online)
{
	cleanup_free char *text = NULL;
	struct sv line, rest, word;
	uint64_t sum = 0, n;
	long hz = sysconf(_SC_CLK_TCK);

	*online = (uint32_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
	*total_ns = 0;
	if (fs_read_file_at(AT_FDCWD, "/proc/stat", PROC_STAT_MAX, &text, NULL) < 0)
		return;
	(void)sv_cut(sv_of(text), '\n', &line, &rest);
	if (!sv_starts(line, SV("cpu ")))
		return;
	rest = sv_trim(sv_sub(line, 4, line.n));
	for (int i = 0; i < 7 && rest.n; i++) {
		(void)sv_cut(rest, ' ', &word, &rest);
		if (parse_u64(word, UINT64_MAX, &n) == 0)
			sum += n;
	}
	*total_ns = sum * (uint64_t)(NS_PER_SEC / hz);
}

static void fill_cpu(struct arena *a, const struct cgroup_stats *cg, struct api_cpu_stats *out)
{
	out->cpu_usage.total_usage = cg->cpu_total;
	out->cpu_usage.usage_in_usermode = cg->cpu_user;
	out->cpu_usage.usage_in_kernelmode = cg->cpu_system;
	if (cg->n_percpu) {
		out->cpu_usage.percpu_usage.n = cg->n_percpu;
		out->cpu_usage.percpu_usage.v = arena_alloc(a, cg->n_percpu * sizeof(uint64_t));
		memcpy(out->cpu_usage.percpu_usage.v, cg->percpu, cg->n_percpu * sizeof(uint64_t));
	}
	host_cpu(&out->system_cpu_usage, &out->online_cpus);
	out->throttling_data.periods = cg->cpu_periods;
	out->throttling_data.throttled_periods = cg->cpu_throttled;
	out->throttling_data.throttled_time = cg->cpu_throttled_time;
}

static void fill_memory(struct arena *a, const struct cgroup_stats *cg, struct api_memory_stats *out)
{
	struct sysinfo host;
	struct sv line, name, value, rest = sv_of(cg->mem_stat);
	uint64_t n;

	out->usage = cg->mem_usage;
	out->limit = cg->mem_limit;
	if (sysinfo(&host) == 0) {
		uint64_t all = (uint64_t)host.totalram * host.mem_unit;
		if (!out->limit || out->limit > all)
			out->limit = all;
	}
	if (!cg->v2) {
		out->max_usage = cg->mem_max_usage;
		out->failcnt = cg->mem_failcnt;
	}
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (!sv_cut(line, ' ', &name, &value) || parse_u64(value, UINT64_MAX, &n) < 0)
			continue;
		struct model_u64_entry *en = model_list_add(a, &out->stats);
		en->k = arena_strndup(a, name.p, name.n);
		en->v = n;
	}
}

static void add_io(struct arena *a, struct api_blkio_entry_list *l, const struct cgroup_blkio_entry *b,
		   const char *op, uint64_t value)
{
	struct api_blkio_entry *en = model_list_add(a, l);

	en->major = b->major;
	en->minor = b->minor;
	en->op = op;
	en->value = value;
}

static void no_io(struct arena *a, struct api_blkio_entry_list *l)
{
	l->v = arena_alloc(a, sizeof(*l->v));
}

/* v1 fills bytes and operations and has empty lists elsewhere; v2 has bytes alone, in lower case. */
static void fill_io(struct arena *a, const struct cgroup_stats *cg, struct api_blkio_stats *out)
{
	for (uint32_t i = 0; i < cg->n_blkio; i++) {
		const struct cgroup_blkio_entry *b = &cg->blkio[i];
		add_io(a, &out->io_service_bytes_recursive, b, cg->v2 ? "read" : "Read", b->rbytes);
		add_io(a, &out->io_service_bytes_recursive, b, cg->v2 ? "write" : "Write", b->wbytes);
		if (cg->v2)
			continue;
		add_io(a, &out->io_serviced_recursive, b, "Read", b->rios);
		add_io(a, &out->io_serviced_recursive, b, "Write", b->wios);
	}
	if (cg->v2)
		return;
	if (!cg->n_blkio) {
		no_io(a, &out->io_service_bytes_recursive);
		no_io(a, &out->io_serviced_recursive);
	}
	no_io(a, &out->io_queue_recursive);
	no_io(a, &out->io_service_time_recursive);
	no_io(a, &out->io_wait_time_recursive);
	no_io(a, &out->io_merged_recursive);
	no_io(a, &out->io_time_recursive);
	no_io(a, &out->sectors_recursive);
}

static void fill_network(struct engine_stats *s, struct arena *a, struct api_stats *out)
{
	struct net_endpoint ep;
	struct net_stats st;

	if (!network_endpoint(s->c, &ep) || net_endpoint_stats(&ep, &st) < 0)
		return;
	struct api_network_stats_entry *en = model_list_add(a, &out->networks);
	en->k = arena_strdup(a, ep.ifname);
	en->v = (struct api_network_stats){
		.rx_bytes = st.rx_bytes,
		.rx_packets = st.rx_packets,
		.rx_errors = st.rx_errors,
		.rx_dropped = st.rx_dropped,
		.tx_bytes = st.tx_bytes,
		.tx_packets = st.tx_packets,
		.tx_errors = st.tx_errors,
		.tx_dropped = st.tx_dropped,
	};
}

int engine_stats_sample(struct engine_stats *s, bool with_previous, struct strbuf *json, struct err **e)
{
	cleanup_look struct container_look look = { 0 };
	struct arena *a = arena_new();
	struct api_stats out = { 0 };
	struct jw w = jw_to(json);
	int64_t now = 0;

	(void)e;
	container_look(s->c, &look);
	out.id = s->c->id;
	out.name = arena_printf(a, "/%s", look.spec->name);
	if (life_is_running(look.now.state) && s->c->cgroup_prog &&
	    cgroup_exec_stats(s->c->cgroup_prog, s->c->cgroup_prog_n, s->cg) == 0) {
		now = clock_now_ns();
		out.read = arena_strdup(a, clock_rfc3339nano(now).s);
		out.pids_stats.current = s->cg->pids_current;
		out.pids_stats.limit = s->cg->pids_limit;
		fill_cpu(a, s->cg, &out.cpu_stats);
		fill_memory(a, s->cg, &out.memory_stats);
		fill_io(a, s->cg, &out.blkio_stats);
		fill_network(s, a, &out);
		if (with_previous && s->previous_ns) {
			out.precpu_stats = s->previous;
			out.preread = arena_strdup(a, clock_rfc3339nano(s->previous_ns).s);
		}
	}
	api_stats_encode(&w, &out);
	arena_free(s->arena);
	s->arena = a;
	s->previous = out.cpu_stats;
	s->previous_ns = now;
	return 0;
}
