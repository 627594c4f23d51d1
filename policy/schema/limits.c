// SPDX-License-Identifier: GPL-2.0-or-later
/* `limits` of a profile. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/schema/profile.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* 256M, 20s: a number over 0 and a unit; 0: the error is told. is: what the value must be. */
static uint64_t quantity(struct yaml *y, const char *what, const char *is, const struct unit *units,
			 size_t n, uint64_t max, const char *example)
{
	const char *text = yaml_text(y, NULL);
	char *end = NULL;
	uint64_t value = 0;

	errno = 0;
	if (text && *text >= '0' && *text <= '9')
		value = strtoull(text, &end, 10);
	for (size_t i = 0; value && !errno && i < n; i++)
		if (strcmp(end, units[i].name) == 0 && value <= max / units[i].factor) {
			yaml_skip(y);
			return value * units[i].factor;
		}
	yaml_error(y, 0, example, "'%s' is %s", what, is);
	yaml_skip(y);
	return 0;
}

static uint64_t bytes(struct yaml *y, const char *what)
{
	static const struct unit units[] = {
	    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

	return quantity(y, what, "a number of bytes over 0, or of K, M or G", units,
			ARRAY_SIZE(units), 1ull << 50, "write bytes, or 64K, 256M, 2G");
}

static uint32_t milliseconds(struct yaml *y, const char *what)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

	return (uint32_t)quantity(y, what, "a number over 0 and its unit", units, ARRAY_SIZE(units),
				  1u << 31, "write 500ms, 20s, 5m or 1h");
}

static void on_memory(struct yaml *y, void *arg)
{
	reading_profile(arg)->memory = bytes(y, "memory");
}

static void on_file_size(struct yaml *y, void *arg)
{
	reading_profile(arg)->file_size = bytes(y, "file_size");
}

static void on_output(struct yaml *y, void *arg)
{
	reading_profile(arg)->output = bytes(y, "output");
}

static void on_cpu(struct yaml *y, void *arg)
{
	reading_profile(arg)->cpu_ms = milliseconds(y, "cpu");
}

static void on_time(struct yaml *y, void *arg)
{
	reading_profile(arg)->time_ms = milliseconds(y, "time");
}

static void on_pids(struct yaml *y, void *arg)
{
	static const struct unit none[] = {{"", 1}};

	reading_profile(arg)->pids = (uint32_t)quantity(y, "pids", "a number of processes over 0",
							none, 1, 1u << 22, "write 16");
}

void profile_limits(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"memory", on_memory},       {"cpu", on_cpu},
					       {"pids", on_pids},           {"time", on_time},
					       {"file_size", on_file_size}, {"output", on_output}};

	yaml_mapping(y, "'limits'", keys, ARRAY_SIZE(keys), arg);
}
