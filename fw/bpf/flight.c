// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/bpf/flight.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "flight.skel.h"
#include "fw/bpf/flight_shared.h"
#include "policy/base/cleanup.h"

/* Newer than the headers of Debian 12 (Linux 6.4). */
#define F_LINK     (1u << 13)
#define STRUCT_OPS 44

struct flight {
	struct bpf_object *object;
	struct bpf_link *control; /* without link_fd, the name stays until unload() removes it */
	int events_fd, map_fd, link_fd;
};

static int lacks(struct err *e, int error, const char *what)
{
	return err_set(e, error,
		       "the kernel or the rights lack a congestion control by BPF: %s: %s", what,
		       strerror(error));
}

/* A copy of the programs with a random name, which no other daemon has. The caller frees it. */
static char *named(size_t *ret_bytes)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	const char *elf = flight_bpf__elf_bytes(ret_bytes);
	char *copy = malloc(*ret_bytes), name[] = FLIGHT_NAME, *at = copy;
	uint8_t random[sizeof(FLIGHT_NAME)];

	if (!copy || getrandom(random, sizeof(random), 0) != sizeof(random)) {
		free(copy);
		return NULL;
	}
	for (size_t i = strcspn(name, "0"); i < sizeof(FLIGHT_NAME) - 1; i++)
		name[i] = letters[random[i] % (sizeof(letters) - 1)];
	memcpy(copy, elf, *ret_bytes);
	while ((at = memmem(at, *ret_bytes - (size_t)(at - copy), FLIGHT_NAME, FLIGHT_NAME_BYTES)))
		memcpy(at, name, FLIGHT_NAME_BYTES - 1);
	return copy;
}

/* link: the kernel removes the control when this process ends (Linux 6.4). */
static int load(struct flight *f, const char *elf, size_t bytes, bool link)
{
	struct bpf_map *m;
	int r;

	f->object = bpf_object__open_mem(elf, bytes, NULL);
	if (!f->object)
		return -errno;
	m = bpf_object__find_map_by_name(f->object, "flight_control");
	r = m ? bpf_map__set_map_flags(m, link ? F_LINK : 0) : -ENOENT;
	if (r == 0)
		r = bpf_object__load(f->object);
	if (r < 0)
		return r;
	f->map_fd = bpf_map__fd(m);
	f->control = bpf_map__attach_struct_ops(m);
	if (!f->control)
		return -errno;
	/* a libbpf that knows such links has made one itself */
	f->link_fd = link && bpf_link__fd(f->control) == f->map_fd
			 ? bpf_link_create(f->map_fd, 0, STRUCT_OPS, NULL)
			 : -1;
	if (link && bpf_link__fd(f->control) == f->map_fd && f->link_fd < 0)
		return -errno;
	f->events_fd =
	    bpf_program__fd(bpf_object__find_program_by_name(f->object, "flight_events"));
	return f->events_fd < 0 ? f->events_fd : 0;
}

static void unload(struct flight *f)
{
	if (f->link_fd >= 0)
		close(f->link_fd);
	bpf_link__destroy(f->control); /* without a link this removes the name */
	bpf_object__close(f->object);
	*f = (struct flight){.link_fd = -1};
}

int flight_new(struct flight **ret, struct err *e)
{
	struct flight *f = calloc(1, sizeof(*f));
	size_t bytes;
	_cleanup_free_ char *elf = named(&bytes);
	int r = -ENOMEM;

	if (f && elf) {
		f->link_fd = -1;
		libbpf_set_print(NULL);
		r = load(f, elf, bytes, true);
		if (r < 0) {
			unload(f);
			r = load(f, elf, bytes, false);
		}
	}
	if (r < 0) {
		flight_free(f);
		return lacks(e, -r, "cannot load it");
	}
	*ret = f;
	return 0;
}

void flight_free(struct flight *f)
{
	if (!f)
		return;
	unload(f);
	free(f);
}

int flight_attach(struct flight *f, int cgroup_fd, struct err *e)
{
	if (bpf_prog_attach(f->events_fd, cgroup_fd, BPF_CGROUP_SOCK_OPS, BPF_F_ALLOW_MULTI) < 0)
		return lacks(e, errno, "cannot attach it to a cgroup");
	return 0;
}
