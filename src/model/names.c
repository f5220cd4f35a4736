/* SPDX-License-Identifier: Apache-2.0 */
#include "model/names.h"

#include "base/id.h"

#include <stdio.h>

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(struct sv s)
{
	if (s.n < 2 || !is_alnum(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '.' && s.p[i] != '-')
			return false;
	}
	return true;
}

int container_name_check(struct sv s, struct sv *out, struct err **e)
{
	struct sv name = s;

	if (name.n && name.p[0] == '/')
		name = sv_sub(name, 1, name.n);
	if (!name_is_valid(name))
		return err_set(e, ERR_INVALID,
			       "Invalid container name (%.*s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			       (int)s.n, s.p);
	*out = name;
	return 0;
}

int volume_name_check(struct sv s, struct err **e)
{
	if (s.n == 1)
		return err_set(
			e, ERR_INVALID,
			"volume name is too short, names should be at least two alphanumeric characters");
	if (!name_is_valid(s))
		return err_set(e, ERR_INVALID,
			       "\"%.*s\" includes invalid characters for a local volume name, only "
			       "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
			       "directory, "
			       "use absolute path",
			       (int)s.n, s.p);
	return 0;
}

bool hostname_is_valid(struct sv s)
{
	if (!s.n || s.n > 64)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
			return false;
	}
	return true;
}

/* Ships' moods, and people of the sea, the map, the cable and the machine. */
static const char *const adjectives[] = {
	"able",     "agile",   "airy",    "ample",    "ardent",   "bold",     "brave",     "breezy",
	"brisk",    "bright",  "buoyant", "calm",     "candid",   "careful",  "cheerful",  "civil",
	"clear",    "clever",  "coastal", "cordial",  "crisp",    "curious",  "daring",    "deft",
	"diligent", "eager",   "early",   "earnest",  "easy",     "even",     "fair",      "faithful",
	"fearless", "festive", "fine",    "firm",     "fleet",    "fluent",   "fond",      "frank",
	"free",     "fresh",   "gallant", "generous", "genial",   "gentle",   "glad",      "graceful",
	"grand",    "hardy",   "hearty",  "helpful",  "honest",   "hopeful",  "humble",    "inventive",
	"jaunty",   "jolly",   "jovial",  "joyful",   "keen",     "kind",     "lively",    "loyal",
	"lucid",    "lucky",   "mellow",  "merry",    "mild",     "modest",   "nautical",  "neat",
	"nimble",   "noble",   "patient", "placid",   "plucky",   "polite",   "prompt",    "proud",
	"quick",    "quiet",   "radiant", "ready",    "robust",   "salty",    "seaworthy", "serene",
	"sincere",  "sleek",   "snug",    "sober",    "spirited", "spry",     "stalwart",  "staunch",
	"steady",   "stout",   "sturdy",  "sunny",    "swift",    "tidal",    "tidy",      "tireless",
	"tranquil", "trim",    "trusty",  "upbeat",   "valiant",  "vigilant", "vivid",     "warm",
	"watchful", "willing", "wise",    "zesty",
};

static const char *const surnames[] = {
	"amundsen",     "anson",      "baffin",     "banks",    "baret",      "bass",       "beaufort",
	"behaim",       "bering",     "blackwell",  "bligh",    "borough",    "bowditch",   "brunel",
	"byron",        "cabot",      "cartier",    "celsius",  "chichester", "clark",      "colenso",
	"cook",         "coriolis",   "cousteau",   "cugnot",   "dampier",    "davis",      "diaz",
	"drake",        "earhart",    "eckener",    "elcano",   "ericson",    "faraday",    "fessenden",
	"field",        "fitzroy",    "flinders",   "franklin", "fresnel",    "frobisher",  "fulton",
	"galvani",      "gama",       "gilbert",    "gooch",    "gunter",     "hadley",     "halley",
	"hanno",        "harrison",   "hartog",     "henry",    "heyerdahl",  "hooke",      "hopper",
	"hudson",       "humboldt",   "huygens",    "ibnmajid", "jansz",      "joule",      "kelvin",
	"kepler",       "knox",       "laperouse",  "lovelace", "mackenzie",  "magellan",   "marconi",
	"maury",        "mercator",   "morse",      "munk",     "nansen",     "nares",      "nobile",
	"nordenskjold", "norie",      "oersted",    "ohm",      "park",       "parry",      "pascal",
	"peary",        "piccard",    "plimsoll",   "polo",     "pytheas",    "raleigh",    "ride",
	"ross",         "sabine",     "sacagawea",  "scoresby", "shackleton", "siemens",    "slocum",
	"somerville",   "stephenson", "sumner",     "tasman",   "telford",    "tereshkova", "tharp",
	"thomson",      "torres",     "trevithick", "tupaia",   "vancouver",  "verne",      "vespucci",
	"volta",        "wallis",     "watt",       "weddell",  "wheatstone", "wilkes",     "worsley",
	"wright",       "yonge",      "zhenghe",
};

void name_random(char out[NAME_RANDOM_MAX], unsigned attempt)
{
	uint64_t r = random_u64();
	const char *adj = adjectives[r % ARRAY_LEN(adjectives)];
	const char *name = surnames[(r >> 20) % ARRAY_LEN(surnames)];

	if (attempt)
		(void)snprintf(out, NAME_RANDOM_MAX, "%s_%s%u", adj, name, (unsigned)(r >> 40) % 10);
	else
		(void)snprintf(out, NAME_RANDOM_MAX, "%s_%s", adj, name);
}
