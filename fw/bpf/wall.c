// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/bpf/wall.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/bpf/options.h"
#include "fw/ipc/control_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/scope.h"
#include "policy/base/cleanup.h"
#include "wall.skel.h"

_Static_assert(PKT_ASK_MASK == WALL_ASK_MASK && PKT_PASS == WALL_PASS && PKT_ASK_OWN == WALL_OWN &&
		   PKT_STAYS == WALL_STAYS && PKT_MARK_MASK == WALL_MARK_MASK,
	       "the wall and the rules differ in their marks");

struct wall {
	struct wall_bpf *bpf;
	struct ring_buffer *ring;
	/* for the duration of wall_read */
	size_t left;
	void (*fn)(void *arg, const struct wall_event *ev);
	void *arg;
};

static int lacks(struct err *e, int error, const char *what)
{
	err_set(e, error, "the kernel or the rights lack cgroup BPF programs (socket wall): %s: %s",
		what, strerror(error));
	if (error == EPERM || error == EACCES)
		return err_hint(
		    e, "root needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, and no other "
		       "program may be attached exclusively to a cgroup above; "
		       "best_effort: true in the profile goes without the wall");
	return err_hint(e,
			"boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF (Linux 5.15 "
			"or later), or write best_effort: true in the profile to go without");
}

/* Kernels before 6.1 do not tell the caller of setsockopt. */
static int load(struct wall *w)
{
	int r = 0;

	for (int knows = 1; knows >= 0; knows--) {
		wall_bpf__destroy(w->bpf);
		w->bpf = wall_bpf__open();
		if (!w->bpf)
			return -errno;
		w->bpf->rodata->knows_caller = knows;
		w->bpf->rodata->fence_level = SCOPE_CGROUP_LEVEL;
		r = wall_bpf__load(w->bpf);
		if (r != -EINVAL)
			return r;
	}
	return r;
}

static int on_event(void *arg, void *data, size_t bytes)
{
	struct wall *w = arg;

	if (bytes >= sizeof(struct wall_event))
		w->fn(w->arg, data);
	return --w->left ? 0 : -EAGAIN; /* stops after this event */
}

int wall_new(struct wall **ret, struct err *e)
{
	struct wall *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	libbpf_set_print(NULL);
	r = load(w);
	if (r == 0)
		w->ring = ring_buffer__new(bpf_map__fd(w->bpf->maps.events), on_event, w, NULL);
	if (r == 0 && !w->ring)
		r = -errno;
	if (r < 0) {
		wall_free(w);
		return lacks(e, -r, "cannot load them");
	}
	*ret = w;
	return 0;
}

void wall_free(struct wall *w)
{
	if (!w)
		return;
	ring_buffer__free(w->ring);
	wall_bpf__destroy(w->bpf); /* attached programs stay */
	free(w);
}

/* No links: those end with the process that holds them. BPF_F_ALLOW_MULTI leaves other programs on
 * the cgroup, and on those above and below, in force. */
int wall_attach(struct wall *w, int cgroup_fd, uint64_t cgroup_id, struct err *e)
{
	const struct wall_fence fence = {.cgroup = cgroup_id};
	struct bpf_program *p;
	int r = 0;

	bpf_object__for_each_program(p, w->bpf->obj)
	{
		r = bpf_prog_attach(bpf_program__fd(p), cgroup_fd,
				    bpf_program__expected_attach_type(p), BPF_F_ALLOW_MULTI);
		if (r < 0)
			return lacks(e, errno, bpf_program__name(p));
	}
	r = bpf_map_update_elem(bpf_map__fd(w->bpf->maps.fences), &cgroup_id, &fence, BPF_ANY);
	return r < 0 ? lacks(e, errno, "the fence's counters") : 0;
}

int wall_fd(const struct wall *w)
{
	return ring_buffer__epoll_fd(w->ring);
}

size_t wall_read(struct wall *w, size_t max, void (*fn)(void *arg, const struct wall_event *ev),
		 void *arg)
{
	w->left = max;
	w->fn = fn;
	w->arg = arg;
	if (max)
		ring_buffer__consume(w->ring);
	return max - w->left;
}

int wall_count(const struct wall *w, uint64_t cgroup_id, struct wall_counts *ret)
{
	struct wall_fence f;

	if (bpf_map_lookup_elem(bpf_map__fd(w->bpf->maps.fences), &cgroup_id, &f) < 0)
		return -errno;
	ret->lost = f.lost;
	memcpy(ret->dropped, f.dropped, sizeof(ret->dropped));
	return 0;
}

const char *wall_option_name(int32_t level, int32_t option, const char **ret_why)
{
	static const struct {
		int32_t level, option;
		const char *name, *why;
	} known[] = {
#define KNOWN(l, n, name, why) {WALL_LEVEL_##l, n, #name, why},
	    WALL_REFUSED_OPTIONS(KNOWN)};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].level == level && known[i].option == option) {
			*ret_why = known[i].why;
			return known[i].name;
		}
	*ret_why = NULL;
	return NULL;
}
