// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fw/record/append.h"
#include "fw/record/capture_end.h"

/* A fenced program must not fill the disk by sending packets that are refused. */
#define KEEP_SHARE 20 /* a twentieth */
#define KEEP_MOST  (1u << 30)

struct capture {
	struct append file;
	uint64_t packets;
	uint64_t waiting; /* in the buffer since it was last empty */
};

int capture_open(int fd, uint64_t packets, struct capture **ret, struct err *e)
{
	struct capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close(fd);
		return err_set(e, ENOMEM, "out of memory");
	}
	c->packets = packets;
	r = append_take(&c->file, fd, e);
	append_keep_free(&c->file, KEEP_SHARE, KEEP_MOST);
	if (r < 0) {
		capture_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	if (c->file.fd >= 0 && append_flush(&c->file) == 0)
		capture_keep_count(c->file.fd, c->packets);
	append_done(&c->file);
	free(c);
}

uint64_t capture_packet(struct capture *c, uint64_t time_ns, const void *packet, size_t bytes,
			size_t cap_bytes)
{
	struct capture_packet_head h = {.s = (uint32_t)(time_ns / 1000000000u),
					.ns = (uint32_t)(time_ns % 1000000000u)};

	if (cap_bytes > CAPTURE_SNAPLEN)
		cap_bytes = CAPTURE_SNAPLEN;
	h.cap_bytes = (uint32_t)cap_bytes;
	h.bytes = (uint32_t)(bytes > cap_bytes ? bytes : cap_bytes);
	if (!append_put(&c->file, &h, sizeof(h), packet, cap_bytes))
		return 0;
	c->waiting++;
	return ++c->packets;
}

uint64_t capture_packets(const struct capture *c)
{
	return c->packets;
}

int capture_flush(struct capture *c)
{
	int r = append_flush(&c->file);

	if (r == 0)
		c->waiting = 0;
	return r;
}

uint64_t capture_waiting(const struct capture *c)
{
	return c->waiting;
}

int capture_error(const struct capture *c)
{
	return c->file.error;
}
