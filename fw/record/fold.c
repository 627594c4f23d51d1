// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 8192

struct folds {
	void (*closing)(void *arg, struct fold *f);
	void *arg;
	uint64_t seed; /* or an attacker could choose names that share a bucket */
	size_t n;
	struct fold *oldest, *newest;
	struct fold *bucket[BUCKETS];
};

int folds_new(void (*closing)(void *arg, struct fold *f), void *arg, struct folds **ret)
{
	struct folds *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	if (getrandom(&fs->seed, sizeof(fs->seed), 0) != sizeof(fs->seed)) {
		free(fs);
		return -EIO;
	}
	fs->closing = closing;
	fs->arg = arg;
	*ret = fs;
	return 0;
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static uint64_t fold_hash(const struct folds *fs, const struct denial *d)
{
	uint64_t h = mix(fs->seed, &d->fence, sizeof(d->fence));

	h = mix(h, &d->code, sizeof(d->code));
	h = mix(h, &d->dport, sizeof(d->dport));
	h = mix(h, d->dst.b, sizeof(d->dst.b));
	if (d->inbound)
		h = mix(h, d->src.b, sizeof(d->src.b));
	h = mix(h, d->endpoint, strlen(d->endpoint));
	return mix(h, d->name, strlen(d->name));
}

static bool alike(const struct denial *a, const struct denial *b)
{
	return a->fence == b->fence && a->code == b->code && a->would == b->would &&
	       a->inbound == b->inbound && a->l4proto == b->l4proto && a->dns == b->dns &&
	       a->qtype == b->qtype && a->rule == b->rule && a->dport == b->dport &&
	       addr_equal(&a->dst, &b->dst) &&
	       /* from outside, the peer tells who it was */
	       (!a->inbound || addr_equal(&a->src, &b->src)) &&
	       strcmp(a->endpoint, b->endpoint) == 0 && strcmp(a->name, b->name) == 0;
}

static const char *exe_key(const struct process_info *who)
{
	size_t n = strlen(who->exe), max = sizeof(((struct fold *)NULL)->exe) - 1;

	return who->exe + (n > max ? n - max : 0);
}

struct fold *fold_find(const struct folds *fs, const struct denial *d,
		       const struct process_info *who)
{
	uint64_t h = fold_hash(fs, d);

	for (struct fold *f = fs->bucket[h % BUCKETS]; f; f = f->next_hash)
		if (f->hash == h && alike(&f->like, d) &&
		    (!who || !f->exe[0] || strcmp(f->exe, exe_key(who)) == 0))
			return f;
	return NULL;
}

static void fold_close(struct folds *fs, struct fold *f)
{
	struct fold **at = &fs->bucket[f->hash % BUCKETS];

	fs->closing(fs->arg, f);
	while (*at != f)
		at = &(*at)->next_hash;
	*at = f->next_hash;
	*(f->prev ? &f->prev->next : &fs->oldest) = f->next;
	*(f->next ? &f->next->prev : &fs->newest) = f->prev;
	fs->n--;
	json_decref(f->event);
	free(f);
}

struct fold *fold_begin(struct folds *fs, const struct denial *d, const struct process_info *who,
			json_t *event, uint64_t now_ns)
{
	struct fold *f = calloc(1, sizeof(*f));

	if (!f) {
		json_decref(event);
		return NULL;
	}
	if (fs->n == FOLD_MAX)
		fold_close(fs, fs->oldest);
	f->hash = fold_hash(fs, d);
	f->since_ns = now_ns;
	f->like = *d;
	f->event = event;
	if (who) {
		f->pid = who->pid;
		memcpy(f->exe, exe_key(who), strlen(exe_key(who))); /* exe_key has cut it */
	}
	f->next_hash = fs->bucket[f->hash % BUCKETS];
	fs->bucket[f->hash % BUCKETS] = f;
	f->prev = fs->newest;
	*(fs->newest ? &fs->newest->next : &fs->oldest) = f;
	fs->newest = f;
	fs->n++;
	return f;
}

void fold_repeat(struct fold *f, uint64_t time_ns, uint64_t packet)
{
	if (!f->repeats++)
		f->start_ns = time_ns;
	f->end_ns = time_ns;
	if (!f->packet)
		f->packet = packet;
}

bool fold_over(const struct fold *f, uint64_t now_ns)
{
	/* The clock may have been set back. */
	return now_ns < f->since_ns || now_ns - f->since_ns >= FOLD_NS;
}

void folds_expire(struct folds *fs, uint64_t now_ns)
{
	while (fs->oldest && fold_over(fs->oldest, now_ns))
		fold_close(fs, fs->oldest);
}

static bool of_fence(const struct fold *f, const char *name)
{
	const json_t *a = json_object_get(f->event, "agentfw");
	const char *s = json_string_value(json_object_get(a, "fence"));

	return s && strcmp(s, name) == 0;
}

void folds_close_fence(struct folds *fs, const char *name)
{
	for (struct fold *f = fs->oldest, *next; f; f = next) {
		next = f->next;
		if (of_fence(f, name))
			fold_close(fs, f);
	}
}

void folds_free(struct folds *fs)
{
	if (!fs)
		return;
	while (fs->oldest)
		fold_close(fs, fs->oldest);
	free(fs);
}
