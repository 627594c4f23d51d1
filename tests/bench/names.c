// SPDX-License-Identifier: GPL-2.0-or-later
/* A policy of many names: compile and open it, look names up, tell time and memory.
 *
 *   names COUNT        prints: load seconds, resident megabytes, nanoseconds a lookup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "policy/policy.h"

#define LOOKUPS 2000000

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static long peak_kb(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_maxrss;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, hits = 0;
	size_t room = 64 + count * 40, n, bytes;
	char *text = malloc(room);
	struct policy *p;
	struct diags d;
	struct err e;
	double start, load;
	void *blob;

	if (!text)
		return 1;
	n = (size_t)snprintf(text, room, "version: 1\negress:\n");
	for (unsigned long i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, room - n, "  - n%07lu.host%lu.example\n", i,
				      i % 997);
	long before = peak_kb();
	start = now();
	if (policy_compile("bench.yaml", text, n, &d, &blob, &bytes) < 0 ||
	    policy_open(blob, bytes, &p, &e) < 0) {
		fprintf(stderr, "names: the policy did not compile\n");
		return 1;
	}
	load = now() - start;
	start = now();
	for (unsigned long i = 0; i < LOOKUPS; i++) {
		unsigned long k = i * 7919 % count;
		struct name name;

		name.len = (uint8_t)snprintf(name.s, sizeof(name.s), "n%07lu.host%lu.example", k,
					     (i & 1 ? k : k + 1) % 997);
		hits += policy_match_name(p, SCHEME_HTTPS, &name, 443).verdict == VERDICT_ALLOW;
	}
	double with = now() - start;
	volatile char keep = 0;

	start = now();
	for (unsigned long i = 0; i < LOOKUPS; i++) {
		unsigned long k = i * 7919 % count;
		struct name name;

		name.len = (uint8_t)snprintf(name.s, sizeof(name.s), "n%07lu.host%lu.example", k,
					     (i & 1 ? k : k + 1) % 997);
		keep = name.s[3];
	}
	(void)keep;
	with -= now() - start;
	if (hits < LOOKUPS / 2 || hits == LOOKUPS)
		return 1;
	printf("%.3f %.1f %.0f\n", load, (double)(peak_kb() - before) / 1024, with * 1e9 / LOOKUPS);
	return 0;
}
