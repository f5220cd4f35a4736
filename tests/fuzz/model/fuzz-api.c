/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies: the first byte picks the object; a create request goes through the daemon's checks as well. */
#include "fuzz-objects.h"

#include "model/api.gen.h"
#include "model/filters.h"
#include "model/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct model_type *const types[] = {
		&api_create_request_type,
		&api_create_request_type,
		&api_update_request_type,
		&api_exec_create_request_type,
		&api_exec_start_request_type,
		&api_volume_create_request_type,
		&api_network_create_request_type,
		&api_network_connect_request_type,
		&api_auth_config_type,
		&api_daemon_config_type,
		&api_container_inspect_type,
		&api_system_info_type,
		&api_stats_type,
		&api_message_type,
		&api_event_type,
		&api_container_config_type,
	};
	static const char *const drivers[] = { "json-file", "none", NULL };
	static const struct validate_host host = {
		.n_cpus = 2, .cpus = "0-1", .mems = "0", .log_drivers = drivers
	};

	if (!n)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	struct sv text = sv_n((const char *)data + 1, n - 1);
	if (data[0] % 17 == 16) {
		struct filters f;
		if (filters_parse(a, text, NULL, &f, NULL) < 0)
			return 0;
		for (size_t i = 0; i < f.keys.n; i++) {
			(void)filters_prefix(&f, f.keys.v[i].k, "abc");
			(void)filters_labels(&f, f.keys.v[i].k, &(struct model_str_map){ 0 });
		}
		cleanup_strbuf struct strbuf b = { 0 };
		struct jw w = jw_to(&b);
		filters_encode(&w, &f);
		return 0;
	}
	const struct model_type *t = types[data[0] % ARRAY_LEN(types)];
	void *v;
	check_object(a, t, text, &v);
	if (v && t == &api_create_request_type) {
		struct model_str_list warnings = { 0 };
		struct err *e = NULL;
		if (validate_create(a, v, &host, &warnings, &e) < 0)
			assert(err_class(e) == ERR_INVALID);
		err_free(e);
	}
	return 0;
}
