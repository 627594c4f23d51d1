// SPDX-License-Identifier: GPL-2.0-or-later
/* How agentctl tells errors, of the command line and all others. */
#include "agentctl/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agentctl/launch/exit_status.h"
#include "policy/base/caller.h"
#include "policy/base/err.h"
#include "policy/base/nearest.h"

__attribute__((format(printf, 1, 0))) static void vsay(const char *fmt, va_list ap)
{
	fputs("agentctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

static void say_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

const struct command *ctl_find(const char *name)
{
	const struct command *c = commands;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	return c->name ? c : NULL;
}

int ctl_usage(const char *command, const char *fmt, ...)
{
	const struct command *c = ctl_find(command);

	if (fmt) {
		va_list ap;

		va_start(ap, fmt);
		vsay(fmt, ap);
		va_end(ap);
	}
	fprintf(stderr, "usage: agentctl %s %s\n", c->name, c->args);
	return EXIT_CTL;
}

int ctl_unknown(const char *command)
{
	struct nearest nearest = {.written = command};

	if (command[0] == '-') {
		say_line("there is no option '%s' before a command", command);
		say_line("hint: options stand behind the command: agentctl run %s …", command);
		return EXIT_CTL;
	}
	say_line("there is no command '%s'", command);
	for (const struct command *c = commands; c->name; c++)
		nearest_try(&nearest, c->name);
	if (nearest.found) {
		say_line("hint: did you mean '%s'?", nearest.found);
		return EXIT_CTL;
	}
	fputs("agentctl: hint: there are: ", stderr);
	for (const struct command *c = commands; c->name; c++)
		fprintf(stderr, "%s%s", c == commands ? "" : ", ", c->name);
	fputs("; to run a program: agentctl run -- PROGRAM\n", stderr);
	return EXIT_CTL;
}

int ctl_fail(const struct err *e)
{
	char shown[4 * sizeof(e->msg)];

	if (e->code && e->msg[0])
		fprintf(stderr, "agentctl: %s\n", str_clean(shown, sizeof(shown), e->msg));
	if (e->code && e->hint[0])
		fprintf(stderr, "agentctl: hint: %s\n", str_clean(shown, sizeof(shown), e->hint));
	return EXIT_CTL;
}

int ctl_fail_waiting(int signo, const struct err *e)
{
	return signo ? 128 + signo : ctl_fail(e);
}

/* ---- options --------------------------------------------------------------------------------- */

static void unknown_long(const char *command, const char *word, const struct option *longs)
{
	char name[64];
	struct nearest nearest = {.written = name};

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	for (; longs->name; longs++)
		nearest_try(&nearest, longs->name);
	if (nearest.found)
		ctl_usage(command, "'%s' has no option '--%s'; did you mean '--%s'?", command, name,
			  nearest.found);
	else
		ctl_usage(command, "'%s' has no option '--%s'", command, name);
}

/* A second value would replace the first, which a sudo rule may have fixed. sudo compares the words
 * as one text, in which a word with blanks looks like several. */
static int check_value(const char *command, int c, const struct option *longs)
{
	static bool given[256];

	while (longs->name && longs->val != c)
		longs++;
	if (!longs->name || longs->has_arg != required_argument || c < 0 || c > 255)
		return c;
	if (given[c]) {
		ctl_usage(command, "the option '--%s' is given twice", longs->name);
		return '?';
	}
	given[c] = true;
	if (optarg[0] != ' ' || !caller_is_another())
		return c;
	ctl_usage(command, "the value of '--%s' begins with a blank", longs->name);
	return '?';
}

int ctl_option(const char *command, int argc, char **argv, const char *shorts,
	       const struct option *longs)
{
	const char *word;
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c != '?' && c != ':')
		return check_value(command, c, longs);
	/* the word itself for a long option; not for one in a cluster of short ones */
	word = argv[optind - 1];
	if (strncmp(word, "--", 2) != 0)
		word = NULL;
	if (c == ':' && word)
		ctl_usage(command, "the option '%s' needs a value", word);
	else if (c == ':')
		ctl_usage(command, "the option '-%c' needs a value", optopt);
	else if (!optopt && word)
		unknown_long(command, word + 2, longs);
	else if (word)
		ctl_usage(command, "the option '%.*s' takes no value", (int)strcspn(word, "="),
			  word);
	else
		ctl_usage(command, "'%s' has no option '-%c'", command, optopt);
	return '?';
}

bool ctl_no_more(const char *command, int argc, char **argv)
{
	if (optind >= argc)
		return true;
	ctl_usage(command, "'%s' is one word too many", argv[optind]);
	return false;
}
