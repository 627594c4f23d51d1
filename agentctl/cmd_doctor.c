// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl doctor: a line for each thing that agentfw needs or makes use of. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "agentctl/check/doctor.h"
#include "agentctl/command.h"
#include "agentctl/launch/exit_status.h"

static void print(const struct checks *c)
{
	const bool colour = isatty(1);

	for (size_t i = 0; i < c->n; i++) {
		const struct check *k = &c->list[i];
		const char *on = k->finding == FOUND ? "\033[32m"
				 : k->needed         ? "\033[31m"
						     : "\033[33m";

		printf("%s%-6s%s %-18s %s\n", colour ? on : "",
		       k->finding == FOUND ? "ok" : "lacks", colour ? "\033[0m" : "", k->name,
		       k->text);
		if (k->hint[0])
			printf("       %-18s hint: %s\n", "", k->hint);
	}
}

static int print_json(const struct checks *c, bool works)
{
	json_t *list = json_array(), *root;

	for (size_t i = 0; i < c->n; i++) {
		const struct check *k = &c->list[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:s*}", "name", k->name,
						      "state", k->finding == FOUND ? "ok" : "lacks",
						      "needed", k->needed, "text", k->text, "hint",
						      k->hint[0] ? k->hint : NULL));
	}
	root = json_pack("{s:b, s:o}", "run", works, "checks", list);
	if (root)
		json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
	return root ? 0 : EXIT_CTL;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	static struct checks c;
	bool json = false;
	size_t missing = 0;
	int o;

	while ((o = ctl_option("doctor", argc, argv, ":", longs)) != -1) {
		if (o != 'j')
			return EXIT_CTL;
		json = true;
	}
	if (!ctl_no_more("doctor", argc, argv))
		return EXIT_CTL;
	doctor_kernel(&c);
	doctor_net(&c);
	for (size_t i = 0; i < c.n; i++)
		missing += c.list[i].needed && c.list[i].finding == LACKING;
	if (json)
		return print_json(&c, !missing) ? EXIT_CTL : missing != 0;
	print(&c);
	if (missing)
		printf("agentctl run does not work here: %zu thing%s missing\n", missing,
		       missing == 1 ? " is" : "s are");
	else
		puts("agentctl run works here as root");
	return missing != 0;
}
