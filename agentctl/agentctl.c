// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl: the table of commands. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/command.h"
#include "agentctl/launch/exit_status.h"

#define VERSION "0.1.0"

const struct command commands[] = {
    {"run", "[-p POLICY] [--log-dir DIR] [--audit] [-v] [--dry-run] -- CMD...",
     "start CMD in a fence", cmd_run},
    {"tool", "[-p POLICY] [--log-dir DIR] [-v] [--dry-run] NAME [-- ARGS...]",
     "run one tool in its own box", cmd_tool},
    {"status", "[--json]", "the fences there are", cmd_status},
    {"policy",
     "check FILE... | groups [NAME] | show [FILE] | learn [--log-dir DIR] [-p POLICY] [--fence "
     "NAME]",
     "check and look at policies; learn one from a run in audit mode", cmd_policy},
    {"why", "ENDPOINT [-p POLICY] [--tool NAME]", "would it pass, by which rule, at which line",
     cmd_why},
    {"log", "[-f] [--denied] [--json] [--log-dir DIR | -p POLICY]", "who tried what", cmd_log},
    {"doctor", "[--json]", "what this machine can do for agentfw, and what it lacks", cmd_doctor},
    {"help", "[COMMAND]", "this text", cmd_help},
    {NULL, NULL, NULL, NULL},
};

static void usage(FILE *to)
{
	fputs("usage: agentctl COMMAND [ARGUMENTS]\n\n", to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-7s %s\n          %s\n", c->name, c->args, c->summary);
	fputs("\nSee agentctl(1), and agentfw-policy(5) for the policy.\n", to);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int cmd_help(int argc, char **argv)
{
	const struct command *c = argc > 1 ? ctl_find(argv[1]) : NULL;

	if (argc > 1 && !c)
		return ctl_unknown(argv[1]);
	if (c)
		printf("usage: agentctl %s %s\n  %s\n", c->name, c->args, c->summary);
	else
		usage(stdout);
	return 0;
}

/* Started without one of the streams 0 to 2, we would open something else in its place, and the
 * command would get that. */
static void fill_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	const struct command *c;

	fill_streams();
	if (argc < 2) {
		usage(stderr);
		return EXIT_CTL;
	}
	if (is_help(argv[1]))
		return cmd_help(0, NULL);
	if (strcmp(argv[1], "--version") == 0) {
		puts("agentctl " VERSION);
		return 0;
	}
	c = ctl_find(argv[1]);
	if (c && argc > 2 && is_help(argv[2]))
		return cmd_help(2, argv);
	if (c)
		return c->run(argc - 1, argv + 1);
	return ctl_unknown(argv[1]);
}
