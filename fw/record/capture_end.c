// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/capture_end.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define MAGIC_NANO   0xa1b23c4du
#define LINKTYPE_RAW 101 /* DLT_RAW, as it is written in files */
#define READ_BYTES   (1u << 20)
#define COUNT_NAME   "user.agentfw.packets"

struct file_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, linktype;
};

static const struct file_head file_head = {.magic = MAGIC_NANO,
					   .major = 2,
					   .minor = 4,
					   .snaplen = CAPTURE_SNAPLEN,
					   .linktype = LINKTYPE_RAW};

/* Of the file's beginning. Whoever may write the file may write it, too: then their numbers of packets
 * are wrong. */
struct kept {
	uint64_t packets, bytes;
};

struct reading {
	int fd;
	unsigned char *buf;
	off_t at, end; /* of the file: where buf begins; where reading ends */
	size_t bytes;  /* in buf */
};

static int not_ours(const char *path, const char *name, const char *why, struct err *e)
{
	err_set(e, EINVAL, "cannot append to '%s/%s': %s", path, name, why);
	return err_hint(e, "move the file away, or name another directory for the log");
}

static int cannot(const char *what, const char *path, const char *name, struct err *e)
{
	return err_set(e, errno ? errno : EIO, "cannot %s '%s/%s': %s", what, path, name,
		       strerror(errno ? errno : EIO));
}

/* The packet head at a place of the file. 1; 0: no whole one is left; -errno. */
static int head_at(struct reading *r, off_t at, struct capture_packet_head *ret)
{
	if (r->end - at < (off_t)sizeof(*ret))
		return 0;
	if (at < r->at || at + (off_t)sizeof(*ret) > r->at + (off_t)r->bytes) {
		ssize_t n = pread(r->fd, r->buf, READ_BYTES, at);

		if (n < (ssize_t)sizeof(*ret))
			return n < 0 ? -errno : 0;
		r->at = at;
		r->bytes = (size_t)n;
	}
	memcpy(ret, r->buf + (at - r->at), sizeof(*ret));
	return 1;
}

/* Zeroes, which a crash leaves of a block that was never written: no packet is of 1970. */
static bool is_nothing(const struct capture_packet_head *h)
{
	return !h->s && !h->ns && !h->cap_bytes && !h->bytes;
}

/* ret_good: where the last whole packet ends. */
static int count(struct reading *r, uint64_t *ret_packets, off_t *ret_good)
{
	struct capture_packet_head h;
	struct kept kept;
	off_t at = sizeof(file_head);
	int n;

	*ret_packets = 0;
	if (fgetxattr(r->fd, COUNT_NAME, &kept, sizeof(kept)) == (ssize_t)sizeof(kept) &&
	    kept.bytes >= sizeof(file_head) && kept.bytes <= (uint64_t)r->end) {
		*ret_packets = kept.packets;
		at = (off_t)kept.bytes;
	}
	while ((n = head_at(r, at, &h)) > 0 && !is_nothing(&h) && h.cap_bytes <= CAPTURE_SNAPLEN &&
	       r->end - at >= (off_t)(sizeof(h) + h.cap_bytes)) {
		at += (off_t)(sizeof(h) + h.cap_bytes);
		++*ret_packets;
	}
	*ret_good = at;
	return n < 0 ? n : 0;
}

/* A part of the file that was never written is a hole, however long: the capture ends there. No crash
 * leaves a hole with data behind it. */
static int written_end(int fd, off_t size, const char *path, const char *name, off_t *ret,
		       struct err *e)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	*ret = hole < 0 || hole > size ? size : hole;
	if (*ret < size && lseek(fd, *ret, SEEK_DATA) >= 0)
		return not_ours(path, name, "there are holes in it", e);
	return 0;
}

static int begin(int fd, const char *path, const char *name, struct err *e)
{
	fremovexattr(fd, COUNT_NAME);
	errno = 0;
	if (write(fd, &file_head, sizeof(file_head)) == (ssize_t)sizeof(file_head))
		return 0;
	cannot("write", path, name, e);
	return err_hint(e, "make room, or name another directory for the log");
}

int capture_end(int fd, const char *path, const char *name, uint64_t *ret_packets, struct err *e)
{
	_cleanup_free_ unsigned char *buf = malloc(READ_BYTES);
	struct reading reading = {.fd = fd, .buf = buf};
	struct file_head head = {0};
	ssize_t n = pread(fd, &head, sizeof(head), 0);
	off_t good = 0;
	struct stat st;
	int r;

	*ret_packets = 0;
	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	if (n < 0 || fstat(fd, &st) < 0)
		return cannot("read", path, name, e);
	if (memcmp(&head, &file_head, (size_t)n) != 0)
		return not_ours(path, name, "it is not a capture of agentfw", e);
	if ((r = written_end(fd, st.st_size, path, name, &reading.end, e)) < 0)
		return r;
	if ((size_t)n == sizeof(head) && (r = count(&reading, ret_packets, &good)) < 0) {
		errno = -r;
		return cannot("read", path, name, e);
	}
	if (st.st_size != good && ftruncate(fd, good) < 0) {
		return cannot("cut the torn end of", path, name, e);
	}
	return good ? 0 : begin(fd, path, name, e);
}

void capture_keep_count(int fd, uint64_t packets)
{
	struct kept kept = {.packets = packets};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	kept.bytes = (uint64_t)st.st_size;
	fsetxattr(fd, COUNT_NAME, &kept, sizeof(kept), 0);
}
