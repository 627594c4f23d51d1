// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/record/append.h"
#include "policy/base/cleanup.h"

#define MAGIC_NANO   0xa1b23c4du
#define LINKTYPE_RAW 101 /* DLT_RAW in files */
#define SNAPLEN      262144

/* The format: draft-ietf-opsawg-pcap. libpcap reads the file, but does not write it: on a full disk
 * its stdio stream loses a part of a packet and does not tell which. */
struct file_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, linktype;
};

/* A fenced program must not fill the disk by sending packets that are refused. */
#define KEEP_SHARE 20 /* a twentieth */
#define KEEP_MOST  (1u << 30)

struct packet_head {
	uint32_t s, ns, cap_bytes, bytes;
};

struct capture {
	struct append file;
	uint64_t packets;
	uint64_t waiting; /* in the buffer since it was last empty */
};

static const struct file_head file_head = {
    .magic = MAGIC_NANO, .major = 2, .minor = 4, .snaplen = SNAPLEN, .linktype = LINKTYPE_RAW};

static int not_ours(const char *path, const char *name, const char *why, struct err *e)
{
	err_set(e, EINVAL, "cannot append to '%s/%s': %s", path, name, why);
	return err_hint(e, "move the file away, or name another directory for the log");
}

/* ret_good: where the last whole packet ends; 0 for an empty file or a torn head. */
static int count(struct capture *c, const char *path, const char *name, off_t *ret_good,
		 struct err *e)
{
	char msg[PCAP_ERRBUF_SIZE];
	_cleanup_fclose_ FILE *f = NULL;
	struct pcap_pkthdr *h;
	struct file_head head;
	const unsigned char *bytes;
	pcap_t *p;
	ssize_t n = pread(c->file.fd, &head, sizeof(head), 0);
	int fd;

	*ret_good = 0;
	if (n < 0)
		return err_set(e, errno, "cannot read '%s/%s': %s", path, name, strerror(errno));
	if (memcmp(&head, &file_head, (size_t)n) != 0)
		return not_ours(path, name, "it is not a capture of agentfw", e);
	if ((size_t)n < sizeof(head))
		return 0;
	fd = dup(c->file.fd);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f || fseeko(f, 0, SEEK_SET) < 0)
		return err_set(e, errno, "cannot read '%s/%s': %s", path, name, strerror(errno));
	p = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, msg);
	if (!p)
		return not_ours(path, name, msg, e);
	steal_ptr(f); /* pcap_close closes it */
	*ret_good = sizeof(head);
	while (pcap_next_ex(p, &h, &bytes) == 1) {
		c->packets++;
		*ret_good += (off_t)(sizeof(struct packet_head) + h->caplen);
	}
	pcap_close(p);
	return 0;
}

static int prepare(struct capture *c, const char *path, const char *name, struct err *e)
{
	struct stat st;
	off_t good;
	int r;

	if (flock(c->file.fd, LOCK_EX | LOCK_NB) < 0) {
		err_set(e, errno, "another agentfwd writes to '%s/%s'", path, name);
		return err_hint(e, "name another directory for the log");
	}
	r = count(c, path, name, &good, e);
	if (r < 0)
		return r;
	if (fstat(c->file.fd, &st) < 0 || (st.st_size != good && ftruncate(c->file.fd, good) < 0))
		return err_set(e, errno, "cannot cut the torn end of '%s/%s': %s", path, name,
			       strerror(errno));
	if (good)
		return 0;
	append_put(&c->file, &file_head, sizeof(file_head), NULL, 0);
	r = append_flush(&c->file);
	if (r < 0) {
		err_set(e, -r, "cannot write '%s/%s': %s", path, name, strerror(-r));
		return err_hint(e, "make room, or name another directory for the log");
	}
	return 0;
}

int capture_open(int dir, const char *path, const char *name, struct capture **ret, struct err *e)
{
	struct capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	r = append_open(&c->file, dir, path, name, e);
	if (r == 0)
		r = prepare(c, path, name, e);
	append_keep_free(&c->file, KEEP_SHARE, KEEP_MOST);
	if (r < 0) {
		c->file.n = 0;
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
	append_done(&c->file);
	free(c);
}

uint64_t capture_packet(struct capture *c, uint64_t time_ns, const void *packet, size_t bytes,
			size_t cap_bytes)
{
	struct packet_head h = {.s = (uint32_t)(time_ns / 1000000000u),
				.ns = (uint32_t)(time_ns % 1000000000u)};

	if (cap_bytes > SNAPLEN)
		cap_bytes = SNAPLEN;
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
