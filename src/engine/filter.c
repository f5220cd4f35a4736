/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/filter.h"

#include "base/clock.h"

int prune_filter_parse(const struct filters *f, struct prune_filter *out, struct err **e)
{
	*out = (struct prune_filter){ 0 };
	if (!f || !filters_has(f, "until"))
		return 0;
	const struct model_str_list *v = filters_get(f, "until");
	if (v->n > 1)
		return err_set(e, ERR_INVALID, "more than one until filter specified");
	if (clock_parse_docker(sv_of(v->v[0]), clock_now_ns(), &out->until_ns) < 0)
		return filters_fail_value("until", v->v[0], e);
	return 0;
}

bool prune_filter_match(const struct prune_filter *p, const struct filters *f, int64_t created_ns,
			const struct model_str_map *labels)
{
	if (p->until_ns && created_ns > p->until_ns)
		return false;
	return !f || (filters_labels(f, "label", labels) && filters_not_labels(f, "label!", labels));
}
