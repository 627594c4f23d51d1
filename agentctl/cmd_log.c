// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl log: events as lines for people, or as JSON. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/command.h"
#include "agentctl/daemon/event_lines.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/launch/exit_status.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define FOLLOW_US (200 * 1000)

struct view {
	bool follow, denied, json, colour;
	struct log_place log;
};

static volatile sig_atomic_t stop;

static void on_signal(int s)
{
	stop = s;
}

/* Names in an event are the attacker's: control characters must not reach the terminal. */
static const char *clean(char *buf, size_t bytes, const char *s)
{
	return str_clean(buf, bytes, s ? s : "");
}

static const char *event_str(const json_t *o, const char *a, const char *b)
{
	return json_string_value(json_object_get(json_object_get(o, a), b));
}

static long long event_num(const json_t *o, const char *a, const char *b)
{
	return json_integer_value(json_object_get(json_object_get(o, a), b));
}

static void time_of_day(const char *stamp, char ret[16])
{
	char digits[9];

	snprintf(digits, sizeof(digits), "%.8s", stamp && strlen(stamp) > 19 ? stamp + 11 : "");
	snprintf(ret, 16, "%s", strspn(digits, "0123456789:") == strlen(digits) ? digits : "?");
}

static void show_state(const json_t *o, const char *when, const char *action)
{
	char name[100], command[300], what[60];
	const json_t *sum = json_object_get(json_object_get(o, "agentfw"), "summary");
	const json_t *broad = json_object_get(json_object_get(o, "agentfw"), "broad"), *program;
	size_t i;

	printf("%s  %-12s %s  %s", when, clean(what, sizeof(what), action),
	       clean(name, sizeof(name), event_str(o, "agentfw", "fence")),
	       clean(command, sizeof(command), event_str(o, "agentfw", "command")));
	if (sum)
		printf("  %lld allowed, %lld refused",
		       (long long)json_integer_value(json_object_get(sum, "allowed")),
		       (long long)json_integer_value(json_object_get(sum, "refused")));
	json_array_foreach(broad, i, program) printf(
	    "%s%s",
	    i ? ", " : "  broad: ", clean(command, sizeof(command), json_string_value(program)));
	if (event_num(o, "agentfw", "lost"))
		printf("  %lld refusals were not recorded", event_num(o, "agentfw", "lost"));
	putchar('\n');
}

static void show_denial(const struct view *v, const json_t *o, const char *when, const char *action)
{
	char process[80], endpoint[320], reason[400], who[120] = "", address[80] = "";
	const char *name = event_str(o, "process", "name"), *ip = event_str(o, "destination", "ip");
	const char *shown = event_str(o, "agentfw", "endpoint"),
		   *tool = event_str(o, "agentfw", "tool");
	const json_t *question = json_object_get(o, "dns");
	bool would = strcmp(action, "would_deny") == 0;
	char type[60];

	if (tool)
		snprintf(who, sizeof(who), "%.42s: ", clean(process, sizeof(process), tool));
	if (name)
		snprintf(who + strlen(who), sizeof(who) - strlen(who), "%s[%lld]",
			 clean(process, sizeof(process), name), event_num(o, "process", "pid"));
	else
		strcat(who, "?");
	clean(endpoint, sizeof(endpoint), shown ? shown : event_str(o, "agentfw", "name"));
	if (question)
		snprintf(address, sizeof(address), " (%.30s)",
			 clean(type, sizeof(type),
			       json_string_value(json_object_get(
				   json_object_get(question, "question"), "type"))));
	else if (ip && !strstr(endpoint, ip))
		snprintf(address, sizeof(address), " (%.45s)", clean(type, sizeof(type), ip));
	printf("%s  %s%-10s%s  %-20s -> %s%s  %s", when,
	       v->colour ? (would ? "\033[33m" : "\033[31m") : "", would ? "would deny" : "denied",
	       v->colour ? "\033[0m" : "", who, endpoint, address,
	       clean(reason, sizeof(reason), event_str(o, "event", "reason")));
	if (event_str(o, "event", "end")) /* repeats of an earlier event */
		printf("  %lld more", event_num(o, "event", "count"));
	if (json_object_get(json_object_get(o, "agentfw"), "capture"))
		printf("  packet %lld",
		       (long long)json_integer_value(json_object_get(
			   json_object_get(json_object_get(o, "agentfw"), "capture"), "packet")));
	putchar('\n');
}

/* A file or program. */
static void show_file(const struct view *v, const json_t *o, const char *when, const char *action)
{
	char process[80], who[120], tool[80], path[1000], right[80], reason[300];
	const char *name = event_str(o, "process", "name"), *of = event_str(o, "agentfw", "tool");
	bool would = strcmp(action, "would_deny") == 0;

	if (name)
		snprintf(who, sizeof(who), "%s[%lld]", clean(process, sizeof(process), name),
			 event_num(o, "process", "pid"));
	else
		snprintf(who, sizeof(who), "%s", of ? clean(tool, sizeof(tool), of) : "?");
	printf("%s  %s%-10s%s  %-20s %s %s  %s", when,
	       v->colour ? (would ? "\033[33m" : "\033[31m") : "", would ? "would deny" : "denied",
	       v->colour ? "\033[0m" : "", who,
	       clean(right, sizeof(right), event_str(o, "agentfw", "right")),
	       clean(path, sizeof(path), event_str(o, "file", "path")),
	       clean(reason, sizeof(reason), event_str(o, "event", "reason")));
	if (event_str(o, "event", "end"))
		printf("  %lld more", event_num(o, "event", "count"));
	putchar('\n');
}

/* The line as it is; where a terminal would obey something in it, the same object in ASCII. */
static void show_json(const json_t *o, const char *line, size_t n)
{
	char *s;

	for (size_t i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e) {
			s = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
			for (char *p = s; p && *p; p++)
				if (*p == 0x7f) /* jansson leaves it, and terminals obey it */
					fputs("\\u007f", stdout);
				else
					putchar(*p);
			putchar('\n');
			free(s);
			return;
		}
	printf("%.*s\n", (int)n, line);
}

static void show_event(const struct view *v, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL);
	const char *action = event_str(o, "event", "action"), *stamp;
	char when[16], raw[200];
	bool denial;

	if (!o || !action) {
		if (!v->denied)
			printf("(not an event) %s\n", str_escape(raw, sizeof(raw), line, n));
		json_decref(o);
		return;
	}
	denial = strcmp(action, "denied") == 0 || strcmp(action, "would_deny") == 0;
	stamp = json_string_value(json_object_get(o, "@timestamp"));
	if (v->denied && !denial) {
		json_decref(o);
		return;
	}
	time_of_day(stamp, when);
	if (v->json)
		show_json(o, line, n);
	else if (denial && json_object_get(o, "file"))
		show_file(v, o, when, action);
	else if (denial)
		show_denial(v, o, when, action);
	else
		show_state(o, when, action);
	json_decref(o);
}

static int open_log(struct view *v, struct err *e)
{
	int fd = log_place_events(&v->log, e);

	if (fd == -ENOENT && v->follow)
		fprintf(stderr, "agentctl: waiting for '%s/events.jsonl', which is not there yet\n",
			v->log.path);
	while (fd == -ENOENT && v->follow && !stop) {
		usleep(FOLLOW_US);
		fd = log_place_events(&v->log, e);
	}
	if (fd == -EACCES && geteuid() != 0)
		return err_hint(e, "the record belongs to root: sudo agentctl log …");
	if (fd == -ENOENT)
		return err_hint(e, "nothing has been recorded there; name another directory with "
				   "--log-dir DIR");
	return fd;
}

/* Only whole lines are shown: the rest of a line that is being written comes with the next read.
 * Without -f the last line is shown in any case. */
static int show_lines(const struct view *v, struct event_lines *lines)
{
	enum event_line kind;
	const char *line;
	size_t n;

	while (!stop) {
		kind = event_lines_next(lines, !v->follow, &line, &n);
		if (kind == EVENT_LINE) {
			show_event(v, line, n);
		} else if (kind == EVENT_LINE_LONG) {
			fprintf(stderr, "agentctl: a line of over %u kB is not shown\n",
				EVENT_LINE_MAX >> 10);
		} else if (!v->follow || lines->error) {
			break;
		} else {
			fflush(stdout);
			usleep(FOLLOW_US);
		}
	}
	fflush(stdout);
	return -lines->error;
}

static int read_log(struct view *v, struct err *e)
{
	_cleanup_close_ int fd = open_log(v, e);
	struct event_lines lines;
	int r;

	if (fd < 0)
		return stop ? 0 : fd;
	r = event_lines_begin(&lines, fd);
	if (r == 0)
		r = show_lines(v, &lines);
	event_lines_done(&lines);
	return r < 0
		   ? err_set(e, -r, "cannot read '%s/events.jsonl': %s", v->log.path, strerror(-r))
		   : 0;
}

static int find_dir(struct view *v, const char *dir, const char *policy, struct err *e)
{
	struct policy_file f = {0};
	int r = !dir && policy ? policy_file_load(policy, &f, e) : 0;

	if (r == 0)
		r = log_place_find(&v->log, dir, f.policy ? &f : NULL, true, e);
	policy_file_done(&f);
	return r;
}

int cmd_log(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"denied", no_argument, NULL, 'd'},       {"json", no_argument, NULL, 'j'},
	    {"follow", no_argument, NULL, 'f'},       {"log-dir", required_argument, NULL, 'l'},
	    {"policy", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0},
	};
	struct sigaction sa = {.sa_handler = on_signal};
	const char *dir = NULL, *policy = NULL;
	struct view v = {.colour = isatty(1), .log.fd = -1};
	struct err e = {0};
	int c;

	while ((c = ctl_option("log", argc, argv, ":fp:", longs)) != -1) {
		if (c == 'd')
			v.denied = true;
		else if (c == 'j')
			v.json = true;
		else if (c == 'f')
			v.follow = true;
		else if (c == 'l')
			dir = optarg;
		else if (c == 'p')
			policy = optarg;
		else
			return EXIT_CTL;
	}
	if (!ctl_no_more("log", argc, argv))
		return EXIT_CTL;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	c = find_dir(&v, dir, policy, &e) < 0 || read_log(&v, &e) < 0 ? ctl_fail(&e) : 0;
	log_place_done(&v.log);
	return c;
}
