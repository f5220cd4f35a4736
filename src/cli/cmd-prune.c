/* SPDX-License-Identifier: Apache-2.0 */
/* container, image, volume and system prune. */
#include "cli/commands.h"
#include "cli/format.h"
#include "model/size.h"

/* --filter, with config.json's pruneFilters after them. */
static int filter_args(struct cli *c, struct model_str_list *out, struct err **e)
{
	const struct model_str_list *l = flag_list(&c->f, "filter");
	const struct json *more = json_get(c->config, "pruneFilters");

	for (size_t i = 0; i < l->n; i++)
		model_strs_add(c->a, out, l->v[i]);
	if (json_is(more, JSON_ARRAY)) {
		json_for_each (it, more)
			if (json_str(it))
				model_strs_add(c->a, out, json_str(it));
	}
	(void)e;
	return 0;
}

static int prune(struct cli *c, const char *path, const struct model_str_list *filters,
		 const struct json **out, struct err **e)
{
	if (filters->n) {
		const char *f = cli_filters(c, filters, e);
		if (!f)
			return -1;
		path = client_query(c->a, path, "filters", f);
	}
	return cli_json(c, "POST", path, NULL, out, e);
}

static void list(const char *heading, const struct json *items)
{
	if (!json_is(items, JSON_ARRAY) || items->n == 0)
		return;
	(void)printf("%s\n", heading);
	json_for_each (it, items)
		(void)printf("%s\n", str_of(it));
	(void)printf("\n");
}

static void list_images(const struct json *items)
{
	if (!json_is(items, JSON_ARRAY) || items->n == 0)
		return;
	(void)printf("Deleted Images:\n");
	json_for_each (it, items) {
		if (json_get(it, "Untagged"))
			(void)printf("untagged: %s\n", str_of(json_get(it, "Untagged")));
		else
			(void)printf("deleted: %s\n", str_of(json_get(it, "Deleted")));
	}
	(void)printf("\n");
}

static void reclaimed(int64_t bytes)
{
	(void)printf("Total reclaimed space: %s\n", size_human((double)bytes).s);
}

static bool agreed(struct cli *c, const char *warning)
{
	if (flag_bool(&c->f, "force"))
		return true;
	(void)printf("WARNING! %s\n", warning);
	return cli_confirm("Are you sure you want to continue?");
}

static int prune_containers(struct cli *c, struct err **e)
{
	struct model_str_list filters = { 0 };
	const struct json *j = NULL;

	if (!agreed(c, "This will remove all stopped containers."))
		return err_set(e, ERR_CANCELLED, "container prune has been cancelled");
	if (filter_args(c, &filters, e) < 0 || prune(c, "/containers/prune", &filters, &j, e) < 0)
		return -1;
	list("Deleted Containers:", json_get(j, "ContainersDeleted"));
	reclaimed(num_of(json_get(j, "SpaceReclaimed")));
	return 0;
}

static int prune_images(struct cli *c, struct err **e)
{
	bool all = flag_bool(&c->f, "all");
	struct model_str_list filters = { 0 };
	const struct json *j = NULL;

	if (!agreed(c, all ? "This will remove all images without at least one container associated to them."
			   : "This will remove all dangling images."))
		return err_set(e, ERR_CANCELLED, "image prune has been cancelled");
	model_strs_add(c->a, &filters, all ? "dangling=false" : "dangling=true");
	if (filter_args(c, &filters, e) < 0 || prune(c, "/images/prune", &filters, &j, e) < 0)
		return -1;
	list_images(json_get(j, "ImagesDeleted"));
	reclaimed(num_of(json_get(j, "SpaceReclaimed")));
	return 0;
}

static int prune_volumes(struct cli *c, struct err **e)
{
	bool all = flag_bool(&c->f, "all");
	struct model_str_list filters = { 0 };
	const struct json *j = NULL;

	if (!agreed(c, all ? "This will remove all local volumes not used by at least one container."
			   : "This will remove anonymous local volumes not used by at least one container."))
		return err_set(e, ERR_CANCELLED, "volume prune has been cancelled");
	if (all)
		model_strs_add(c->a, &filters, "all=true");
	if (filter_args(c, &filters, e) < 0 || prune(c, "/volumes/prune", &filters, &j, e) < 0)
		return -1;
	list("Deleted Volumes:", json_get(j, "VolumesDeleted"));
	reclaimed(num_of(json_get(j, "SpaceReclaimed")));
	return 0;
}

/* An engine that has no such objects yet has nothing to prune. */
static int prune_if_there(struct cli *c, const char *path, const struct model_str_list *filters,
			  const struct json **out, struct err **e)
{
	cleanup_err struct err *why = NULL;

	if (prune(c, path, filters, out, &why) == 0)
		return 0;
	if (err_class(why) == ERR_NOT_IMPLEMENTED || strstr(err_text(why), "page not found"))
		return 0;
	err_move(e, &why);
	return -1;
}

static int prune_system(struct cli *c, struct err **e)
{
	bool all = flag_bool(&c->f, "all"), volumes = flag_bool(&c->f, "volumes");
	struct model_str_list filters = { 0 }, image_filters = { 0 };
	const struct json *containers = NULL, *networks = NULL, *vols = NULL, *images = NULL, *cache = NULL;
	cleanup_strbuf struct strbuf question = { 0 };

	sb_add(&question, "This will remove:\n  - all stopped containers\n  - all networks not used by at "
			  "least one container\n");
	if (volumes)
		sb_add(&question, "  - all anonymous volumes not used by at least one container\n");
	sb_add(&question,
	       all ? "  - all images without at least one container associated to them\n  - all build cache\n"
		   : "  - all dangling images\n  - unused build cache\n");
	if (!agreed(c, question.p))
		return err_set(e, ERR_CANCELLED, "system prune has been cancelled");
	if (filter_args(c, &filters, e) < 0 || prune(c, "/containers/prune", &filters, &containers, e) < 0)
		return -1;
	list("Deleted Containers:", json_get(containers, "ContainersDeleted"));
	if (prune_if_there(c, "/networks/prune", &filters, &networks, e) < 0)
		return -1;
	list("Deleted Networks:", json_get(networks, "NetworksDeleted"));
	if (volumes) {
		if (prune(c, "/volumes/prune", &filters, &vols, e) < 0)
			return -1;
		list("Deleted Volumes:", json_get(vols, "VolumesDeleted"));
	}
	model_strs_add(c->a, &image_filters, all ? "dangling=false" : "dangling=true");
	for (size_t i = 0; i < filters.n; i++)
		model_strs_add(c->a, &image_filters, filters.v[i]);
	if (prune(c, "/images/prune", &image_filters, &images, e) < 0)
		return -1;
	list_images(json_get(images, "ImagesDeleted"));
	if (prune_if_there(c, all ? "/build/prune?all=1" : "/build/prune", &filters, &cache, e) < 0)
		return -1;
	list("Deleted build cache objects:", json_get(cache, "CachesDeleted"));
	reclaimed(num_of(json_get(containers, "SpaceReclaimed")) + num_of(json_get(vols, "SpaceReclaimed")) +
		  num_of(json_get(images, "SpaceReclaimed")) + num_of(json_get(cache, "SpaceReclaimed")));
	return 0;
}

#define FILTER(text)                                                                                         \
	{                                                                                                    \
		"filter", FLAG_FILTER, .help = text                                                          \
	}
#define FORCE                                                                                                \
	{                                                                                                    \
		"force", FLAG_BOOL, 'f', .help = "Do not prompt for confirmation"                            \
	}

static const struct flag container_flags[] = { FILTER("Provide filter values (e.g. \"until=<timestamp>\")"),
					       FORCE };
static const struct flag image_flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Remove all unused images, not just dangling ones" },
	FILTER("Provide filter values (e.g. \"until=<timestamp>\")"),
	FORCE,
};
static const struct flag volume_flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Remove all unused volumes, not just anonymous ones" },
	FILTER("Provide filter values (e.g. \"label=<label>\")"),
	FORCE,
};
static const struct flag system_flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Remove all unused images not just dangling ones" },
	FILTER("Provide filter values (e.g. \"label=<key>=<value>\")"),
	FORCE,
	{ "volumes", FLAG_BOOL, .help = "Prune anonymous volumes" },
};

const struct command cmd_container_prune = {
	.name = "prune",
	.group = "container",
	.usage = "[OPTIONS]",
	.about = "Remove all stopped containers",
	FLAGS(container_flags),
	.run = prune_containers,
};
const struct command cmd_image_prune = {
	.name = "prune",
	.group = "image",
	.usage = "[OPTIONS]",
	.about = "Remove unused images",
	FLAGS(image_flags),
	.run = prune_images,
};
const struct command cmd_volume_prune = {
	.name = "prune",
	.group = "volume",
	.usage = "[OPTIONS]",
	.about = "Remove unused local volumes",
	FLAGS(volume_flags),
	.run = prune_volumes,
};
const struct command cmd_system_prune = {
	.name = "prune",
	.group = "system",
	.usage = "[OPTIONS]",
	.about = "Remove unused data",
	FLAGS(system_flags),
	.run = prune_system,
};
