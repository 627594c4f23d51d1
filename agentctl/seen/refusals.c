// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/seen/refusals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/daemon/client.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/seen/refused.h"
#include "agentctl/seen/suggest.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"
#include "policy/policy.h"

#define ENTRIES_MAX 4096  /* different ones; further ones are only counted */
#define WOULD_MAX   16384 /* in audit mode, which is for learning */
#define BUCKETS     4096
#define SHOWN       5
#define PATIENCE_S  2 /* a daemon in order takes a message at once */

struct refusal_entry {
	struct refusal_entry *next_hash, *next;
	uint32_t hash;
	struct refusal what; /* its strings are owned */
	uint64_t count, told, last_ns;
};

struct refusals {
	const struct refused_from *from;
	int control; /* -1: not connected */
	struct refusal_entry *first, **last, *bucket[BUCKETS];
	size_t n;
	uint64_t over; /* did not fit */
	bool sent;     /* something went to the daemon */
	struct err e;  /* the first error on the way to the record */
};

/* ---- counted --------------------------------------------------------------------------------- */

int refusals_new(const struct refused_from *from, struct refusals **ret, struct err *e)
{
	struct refusals *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return err_set(e, ENOMEM, "out of memory");
	rs->from = from;
	rs->control = -1;
	rs->last = &rs->first;
	*ret = rs;
	return 0;
}

static void entry_free(struct refusal_entry *e)
{
	free((char *)e->what.path);
	free((char *)e->what.access);
	free((char *)e->what.exe);
	free((char *)e->what.comm);
	free(e);
}

void refusals_free(struct refusals *rs)
{
	if (!rs)
		return;
	while (rs->first) {
		struct refusal_entry *next = rs->first->next;

		entry_free(rs->first);
		rs->first = next;
	}
	if (rs->control >= 0)
		close(rs->control);
	free(rs);
}

/* Unkeyed: entries are few, so names that are chosen to meet in one bucket cost little. */
static uint32_t hash(const struct refusal *what)
{
	uint32_t h = 2166136261u ^ what->rights;

	for (const char *p = what->path; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return h;
}

void refusals_who(struct refusal_entry *e, const struct refusal *who)
{
	char *exe, *comm;

	if (!who->exe || (e->what.exe && e->what.exact))
		return;
	exe = strdup(who->exe);
	comm = strdup(who->comm ? who->comm : "");
	if (!exe || !comm) {
		free(exe);
		free(comm);
		return;
	}
	free((char *)e->what.exe);
	free((char *)e->what.comm);
	e->what.exe = exe;
	e->what.comm = comm;
	e->what.pid = who->pid;
	e->what.uid = who->uid;
	e->what.exact = who->exact;
}

static struct refusal_entry *entry_new(struct refusals *rs, const struct refusal *what, uint32_t h)
{
	struct refusal_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->hash = h;
	e->what = (struct refusal){.rights = what->rights,
				   .time_ns = what->time_ns,
				   .name = what->name,
				   .directory = what->directory,
				   .would = what->would,
				   .uid = what->uid,
				   .path = strdup(what->path),
				   .access = strdup(what->access)};
	if (!e->what.path || !e->what.access) {
		entry_free(e);
		return NULL;
	}
	refusals_who(e, what);
	e->next_hash = rs->bucket[h % BUCKETS];
	rs->bucket[h % BUCKETS] = e;
	*rs->last = e;
	rs->last = &e->next;
	rs->n++;
	return e;
}

static struct refusal_entry *refusals_find(const struct refusals *rs, const struct refusal *what,
					   uint32_t h)
{
	struct refusal_entry *e = rs->bucket[h % BUCKETS];

	while (e && (e->hash != h || e->what.rights != what->rights ||
		     strcmp(e->what.path, what->path) != 0))
		e = e->next_hash;
	return e;
}

bool refusals_known(const struct refusals *rs, const struct refusal *what)
{
	return refusals_find(rs, what, hash(what)) != NULL;
}

struct refusal_entry *refusals_add(struct refusals *rs, const struct refusal *what, bool *ret_new)
{
	uint32_t h = hash(what);
	struct refusal_entry *e = refusals_find(rs, what, h);

	*ret_new = !e;
	if (!e && rs->n < (what->would ? WOULD_MAX : ENTRIES_MAX))
		e = entry_new(rs, what, h);
	if (!e) {
		rs->over++;
		return NULL;
	}
	e->count++;
	e->last_ns = what->time_ns;
	return e;
}

/* ---- told to the daemon ---------------------------------------------------------------------- */

static bool connected(struct refusals *rs, bool start)
{
	struct patience patience = {.ms = PATIENCE_S * 1000};
	struct err e = {0};
	int r;

	if (rs->control >= 0)
		return true;
	if (rs->e.code || geteuid() != 0) /* only root has a record */
		return false;
	r = rs->control = client_connect(start, &patience, &e);
	if (r >= 0)
		r = log_place_hand_over(rs->from->log, rs->control,
					policy_snaplen(rs->from->policy), &patience, &e);
	if (r >= 0)
		return true;
	if (start || (r != -ENOENT && r != -EINTR))
		rs->e = e;
	if (rs->control >= 0)
		close(rs->control);
	rs->control = -1;
	return false;
}

static void copy_text(char *to, size_t bytes, const char *s)
{
	snprintf(to, bytes, "%s", s ? s : "");
}

/* The line of a profile that would allow it; NULL: none. */
static const char *fix(const struct refusals *rs, const struct refusal *w, char *buf, size_t bytes)
{
	const struct refused_from *f = rs->from;
	char dir[CTL_PATH_MAX + 1];
	size_t n = w->name ? (size_t)(strrchr(w->path, '/') - w->path) : strlen(w->path);

	snprintf(dir, sizeof(dir), "%.*s", (int)n, w->path);
	return suggest_path(f->plan, f->tool, w->rights, dir, buf, bytes);
}

/* last: nobody tries again. */
static bool send_message(struct refusals *rs, const struct refusal_entry *e, uint32_t flags,
			 uint64_t count, bool last)
{
	struct patience patience = {.ms = PATIENCE_S * 1000};
	static struct ctl_denied_file m;
	const struct refused_from *f = rs->from;
	const struct refusal *w = e ? &e->what : NULL;
	struct err why = {0};

	m = (struct ctl_denied_file){
	    .flags = flags | (w && w->would ? CTL_DENIED_WOULD : 0) |
		     (w && w->directory ? CTL_DENIED_DIR : 0),
	    .count = count,
	    .uid = UINT32_MAX,
	};
	copy_text(m.policy, sizeof(m.policy), f->policy_path);
	copy_text(m.fence, sizeof(m.fence), f->fence);
	copy_text(m.tool, sizeof(m.tool), f->tool);
	if (w) {
		m.rights = w->rights;
		m.time_ns = w->time_ns;
		m.until_ns = e->last_ns;
		m.pid = w->pid;
		m.uid = w->uid;
		m.exact = w->exact;
		copy_text(m.path, sizeof(m.path), w->path);
		copy_text(m.access, sizeof(m.access), w->access);
		copy_text(m.exe, sizeof(m.exe), w->exe);
		copy_text(m.comm, sizeof(m.comm), w->comm);
		(void)fix(rs, w, m.suggest, sizeof(m.suggest));
	}
	if (rs->e.code ||
	    client_send(rs->control, &m, sizeof(m), CTL_DENIED_FILE, -1, &patience, &why) < 0) {
		if (!rs->e.code && (last || !patience.signo))
			rs->e = why;
		return false;
	}
	rs->sent = true;
	return true;
}

void refusals_tell(struct refusals *rs, struct refusal_entry *e)
{
	if (e->told || !connected(rs, false))
		return;
	e->told = send_message(rs, e, 0, 1, false);
}

static void tell_rest(struct refusals *rs, uint64_t lost)
{
	struct patience patience = {.ms = PATIENCE_S * 1000};
	struct ctl_head m;

	if ((!rs->n && !lost) || !connected(rs, true))
		return;
	for (struct refusal_entry *e = rs->first; e; e = e->next) {
		if (!e->told)
			send_message(rs, e, 0, 1, true);
		if (e->count > 1)
			send_message(rs, e, CTL_DENIED_REPEAT, e->count - 1, true);
	}
	if (lost)
		send_message(rs, NULL, CTL_DENIED_LOST, lost, true);
	if (!rs->e.code &&
	    client_send(rs->control, &m, sizeof(m), CTL_DENIED_END, -1, &patience, &rs->e) == 0)
		(void)client_receive(rs->control, &m, sizeof(m), CTL_DENIED_NOTED, &patience,
				     &rs->e);
}

/* ---- told to the person ---------------------------------------------------------------------- */

static void say_one(const struct refusals *rs, const struct refusal_entry *e)
{
	char path[1000], words[RIGHTS_STRLEN], line[CTL_PATH_MAX], times[40] = "";
	const char *help = fix(rs, &e->what, line, sizeof(line));

	if (e->count > 1)
		snprintf(times, sizeof(times), " (%llu times)", (unsigned long long)e->count);
	fprintf(stderr, "agentctl: refused: %s %s%s%s%s\n", rights_words(e->what.rights, words),
		str_escape(path, sizeof(path), e->what.path, strlen(e->what.path)), times,
		help ? "; to allow it: " : "", help ? help : "");
}

/* The last ones are the most likely cause of the command's failure. */
static void say_refused(const struct refusals *rs)
{
	size_t left_out = rs->n > SHOWN ? rs->n - SHOWN : 0, i = 0;
	char word[CTL_PATH_MAX];

	for (const struct refusal_entry *e = rs->first; e; e = e->next)
		if (i++ >= left_out)
			say_one(rs, e);
	if (left_out + rs->over)
		fprintf(stderr,
			"agentctl: refused: %llu more; see: agentctl log --log-dir %s --denied\n",
			(unsigned long long)(left_out + rs->over),
			str_word(word, sizeof(word), rs->from->log->path));
}

/* In audit mode nothing was refused, so single paths would explain no failure. */
static void say_would(const struct refusals *rs)
{
	char word[CTL_PATH_MAX];

	if (rs->n)
		fprintf(stderr,
			"agentctl: %llu files and programs are not in the profile; see: agentctl "
			"policy learn --log-dir %s\n",
			(unsigned long long)(rs->n + rs->over),
			str_word(word, sizeof(word), rs->from->log->path));
}

void refusals_finish(struct refusals *rs, uint64_t lost, int status)
{
	tell_rest(rs, lost + rs->over);
	if (rs->from->reference)
		say_would(rs);
	else if (status != 0)
		say_refused(rs);
	if (lost)
		fprintf(
		    stderr,
		    "agentctl: %llu or more refused files are not known: the kernel's audit log "
		    "was full\n",
		    (unsigned long long)lost);
	if (rs->e.code)
		fprintf(stderr, "agentctl: what was refused could not be recorded: %s\n",
			rs->e.msg);
}
