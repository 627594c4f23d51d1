/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of agentctl share: their table, and how errors are told. */
#ifndef AGENTFW_COMMAND_H
#define AGENTFW_COMMAND_H

#include <stdbool.h>

struct err;
struct option;

struct command {
	const char *name, *args, *summary;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
};
extern const struct command commands[]; /* agentctl.c; the last one has no name */

/* NULL: there is none of that name. */
const struct command *ctl_find(const char *name);

/* Prints "agentctl: message" and the hint to stderr; returns EXIT_CTL. e->code 0: it was printed
 * already. */
int ctl_fail(const struct err *e);
/* The same after waiting for the daemon: where the signal signo ended the wait, prints nothing and
 * returns 128 + signo. signo 0: none did. */
int ctl_fail_waiting(int signo, const struct err *e);
/* A wrong command line: prints what is wrong and the usage; returns EXIT_CTL. */
int ctl_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints that there is no such command; returns EXIT_CTL. */
int ctl_unknown(const char *command);

/* getopt_long for a command. shorts has a ':' before its letters (behind '+'). '?': the error has
 * been printed; an option with a value that is given twice is an error, too. */
int ctl_option(const char *command, int argc, char **argv, const char *shorts,
	       const struct option *longs);
/* false: a word is left behind the options, where none belongs; the error has been printed. */
bool ctl_no_more(const char *command, int argc, char **argv);

/* cmd_NAME.c; cmd_help is in agentctl.c */
int cmd_run(int argc, char **argv);
int cmd_tool(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
