// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fw/record/append.h"
#include "fw/record/capture.h"
#include "fw/record/event.h"
#include "fw/record/fold.h"
#include "policy/base/cleanup.h"

#define KEEP_SHARE 100 /* of the disk; the capture stops before this: see capture.c */
#define KEEP_MOST  (100u << 20)

struct record {
	char *dir;
	int dir_fd; /* open, so that no other directory gets its number */
	uint32_t snaplen;
	struct append events;
	struct capture *capture;
	struct folds *folds;
	struct record_counts counts;
	uint64_t id_base, id_next;
	uint64_t lost; /* without an event so far */
	char why[160];
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static const char *next_id(struct record *r, char *buf)
{
	snprintf(buf, EVENT_ID_LEN, "%012llx-%llx", (unsigned long long)r->id_base,
		 (unsigned long long)(r->id_next++));
	return buf;
}

static bool write_line(struct record *r, const json_t *o)
{
	char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
	bool ok = s && append_put(&r->events, s, strlen(s), "\n", 1);

	free(s);
	r->counts.events += ok;
	return ok;
}

/* false: no room for this line either; the count is kept for later. */
static bool tell_lost(struct record *r)
{
	char id[EVENT_ID_LEN];
	json_t *o;

	if (!r->lost)
		return true;
	o = event_lost(r->lost, r->why, now(), next_id(r, id));
	if (write_line(r, o))
		r->lost = 0;
	json_decref(o);
	return !r->lost;
}

void record_lost(struct record *r, uint64_t n, const char *why)
{
	if (r->lost && strcmp(why, r->why) != 0)
		tell_lost(r);
	if (!r->lost)
		snprintf(r->why, sizeof(r->why), "%s", why);
	r->lost += n;
	r->counts.lost += n;
}

static void lose(struct record *r, uint64_t n, const char *file, int error)
{
	char why[120];

	snprintf(why, sizeof(why), "cannot write %s: %s", file,
		 error ? strerror(error) : "out of memory");
	record_lost(r, n, why);
}

static void closing(void *arg, struct fold *f)
{
	struct record *r = arg;
	char id[EVENT_ID_LEN];

	if (!f->repeats)
		return;
	event_repeats(f->event, f->repeats, f->start_ns, f->end_ns, f->packet, next_id(r, id));
	if (!write_line(r, f->event))
		lose(r, f->repeats, RECORD_EVENTS, r->events.error);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A line that a crash has cut off stays, on a line of its own. */
static int end_torn_line(struct record *r, struct err *e)
{
	struct stat st;
	char last;
	int n;

	if (fstat(r->events.fd, &st) < 0 || !st.st_size ||
	    pread(r->events.fd, &last, 1, st.st_size - 1) != 1 || last == '\n')
		return 0;
	append_put(&r->events, "\n", 1, NULL, 0);
	n = append_flush(&r->events);
	if (n == 0)
		return 0;
	err_set(e, -n, "cannot write '%s/%s': %s", r->dir, RECORD_EVENTS, strerror(-n));
	return err_hint(e, "make room, or name another directory for the log");
}

static int record_init(struct record *r, struct record_files *f, const char *path, struct err *e)
{
	int n;

	r->dir = strdup(path);
	if (!r->dir || folds_new(closing, r, &r->folds) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (getrandom(&r->id_base, sizeof(r->id_base), 0) != sizeof(r->id_base))
		return err_set(e, EIO, "the kernel gives no random bytes");
	r->id_base >>= 16;
	r->dir_fd = steal_fd(&f->dir);
	if ((n = append_take(&r->events, steal_fd(&f->events), e)) < 0 ||
	    (n = capture_open(steal_fd(&f->capture), f->packets, &r->capture, e)) < 0)
		return n;
	n = end_torn_line(r, e);
	append_keep_free(&r->events, KEEP_SHARE, KEEP_MOST);
	return n;
}

int record_open(struct record_files *f, const char *path, uint32_t snaplen, struct record **ret,
		struct err *e)
{
	struct record *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->snaplen = snaplen;
	r->dir_fd = r->events.fd = -1;
	n = record_init(r, f, path, e);
	if (n < 0) {
		record_close(r);
		return n;
	}
	*ret = r;
	return 0;
}

void record_close(struct record *r)
{
	if (!r)
		return;
	folds_free(r->folds);
	if (r->capture) {
		if (capture_flush(r->capture) < 0)
			record_lost(r, capture_waiting(r->capture),
				    "cannot write " RECORD_CAPTURE
				    " to its end; packets are missing "
				    "there");
		tell_lost(r);
		record_flush(r);
	}
	capture_close(r->capture);
	append_done(&r->events);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	free(r->dir);
	free(r);
}

const char *record_dir(const struct record *r)
{
	return r->dir;
}

bool record_is_in(const struct record *r, int dir)
{
	struct stat a, b;

	return fstat(r->dir_fd, &a) == 0 && fstat(dir, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint64_t capture(struct record *r, const struct denial *d, const void *packet,
			size_t packet_bytes, size_t cap_bytes)
{
	uint64_t number;

	if (!packet)
		return 0;
	if (cap_bytes > r->snaplen)
		cap_bytes = r->snaplen;
	number = capture_packet(r->capture, d->time_ns, packet, packet_bytes, cap_bytes);
	if (!number)
		record_lost(r, 1, "cannot write " RECORD_CAPTURE "; packets are missing there");
	return number;
}

static void repeat(struct fold *f, const struct denial *d, uint64_t packet,
		   const struct process_info *who)
{
	fold_repeat(f, d->time_ns, packet);
	if (!who || who->pid == f->pid)
		return;
	f->pid = who->pid;
	event_process(f->event, who);
}

void record_denial(struct record *r, const struct record_fence *f, const struct denial *d,
		   const void *packet, size_t packet_bytes, size_t cap_bytes,
		   enum attribution attribution, const struct process_info *who)
{
	uint64_t time = now(), number = capture(r, d, packet, packet_bytes, cap_bytes);
	char id[EVENT_ID_LEN];
	struct fold *fold;
	json_t *o;

	if (d->more)
		return;
	folds_expire(r->folds, time);
	fold = fold_find(r->folds, d, who);
	if (fold) {
		repeat(fold, d, number, who);
		return;
	}
	o = event_denial(f, d, number, attribution, who, next_id(r, id));
	if (!write_line(r, o))
		lose(r, 1, RECORD_EVENTS, r->events.error);
	if (o)
		fold_begin(r->folds, d, who, o, time);
}

void record_file(struct record *r, const struct ctl_denied_file *m)
{
	char id[EVENT_ID_LEN];
	json_t *o = event_file(m, next_id(r, id));

	if (!write_line(r, o))
		lose(r, m->count, RECORD_EVENTS, r->events.error);
	json_decref(o);
}

bool record_folding(const struct record *r, const struct record_fence *f, const struct denial *d)
{
	const struct fold *fold = fold_find(r->folds, d, NULL);

	return fold && !fold_over(fold, now());
}

void record_state(struct record *r, const struct record_fence *f, const char *action,
		  const uint64_t *allowed, const uint64_t *refused)
{
	char id[EVENT_ID_LEN];
	json_t *o;

	if (strcmp(action, "fence_ended") == 0)
		folds_close_fence(r->folds, f->name);
	tell_lost(r);
	o = event_state(f, action, allowed, refused, now(), next_id(r, id));
	if (!write_line(r, o))
		lose(r, 1, RECORD_EVENTS, r->events.error);
	json_decref(o);
}

void record_tick(struct record *r, uint64_t now_ns)
{
	folds_expire(r->folds, now_ns);
	tell_lost(r);
	record_flush(r);
}

/* The packets first: an event in the file then never names a packet that is missing. */
void record_flush(struct record *r)
{
	capture_flush(r->capture);
	append_flush(&r->events);
}

struct record_counts record_counts(const struct record *r)
{
	struct record_counts c = r->counts;

	c.packets = capture_packets(r->capture);
	return c;
}

int record_error(const struct record *r)
{
	return r->events.error ? r->events.error : capture_error(r->capture);
}
