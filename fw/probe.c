// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/probe.h"
#include "fw/nft/batch.h"
#include "fw/nft/nft.h"
#include "fw/nft/statement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "fw/bpf/flight.h"
#include "fw/bpf/wall.h"
#include "fw/ipc/control_msg.h"
#include "fw/parent/host.h"
#include "fw/parent/queue.h"
#include "policy/base/cleanup.h"

#define PATIENCE_S 5

/* A kernel feature, and the rule that tries it in a table of its own. */
struct feature {
	const char *name;
	void (*rule)(struct nftnl_rule *r); /* NULL: only the table and chain */
	uint32_t table_flags;
	const char *type; /* the chain's type */
	int priority;
};

static void socket_cgroup(struct nftnl_rule *r)
{
	static const uint64_t id = 1;

	x_socket_cgroup(r, SCOPE_CGROUP_LEVEL, NFT_REG_1);
	x_cmp(r, NFT_REG_1, &id, sizeof(id));
}

static void queue_native(struct nftnl_rule *r)
{
	x_queue(r, 0, true);
}

static void queue_xt(struct nftnl_rule *r)
{
	x_queue(r, 0, false);
}

static void ct_mark(struct nftnl_rule *r)
{
	nft_set_ct_mark(r, 0, 1);
}

static void ct_zone(struct nftnl_rule *r)
{
	nft_set_zone(r, 1);
}

static void reject(struct nftnl_rule *r)
{
	x_reject(r, false);
}

static void redirect(struct nftnl_rule *r)
{
	nft_redirect(r, 53);
}

static const struct feature features[] = {
    {"nf_tables", NULL, 0, "filter", 0},
    {"socket", socket_cgroup, 0, "filter", 0},
    {"queue_native", queue_native, 0, "filter", 0},
    {"queue_xt", queue_xt, 0, "filter", 0},
    {"ct_mark", ct_mark, 0, "filter", 0},
    {"ct_zone", ct_zone, 0, "filter", -300},
    {"reject", reject, 0, "filter", 0},
    {"redirect", redirect, 0, "nat", -100},
    {"owner", NULL, NFT_TABLE_F_OWNER, "filter", 0},
    {"persist", NULL, NFT_TABLE_F_OWNER | NFT_TABLE_PERSIST, "filter", 0},
};

static int try_feature(struct mnl_socket *nl, const struct feature *f)
{
	struct batch b;
	struct nftnl_rule *r;
	int n = batch_begin(&b, nl, f->name);

	if (n < 0)
		return n;
	batch_table_add(&b, f->table_flags, NULL);
	batch_chain(&b, &(struct chain_spec){BATCH_EMPTY_CHAIN});
	batch_chain(&b, &(struct chain_spec){"out", NF_INET_LOCAL_OUT, f->priority, f->type});
	if (f->rule) {
		r = batch_rule_new(&b, "out");
		f->rule(r);
		batch_rule(&b, r);
	}
	return batch_commit(&b);
}

static int try_nfqueue(struct mnl_socket *nl)
{
	int fd = queue_open(1);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* On a new cgroup: attaching may fail where loading succeeds. */
static int attach_wall(struct wall *w, struct err *e)
{
	_cleanup_close_ int fd = -1;
	char mount[2900], path[3000];
	struct stat st;
	int r = host_cgroup_mount(mount, sizeof(mount), e);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/" CTL_CGROUP_DIR "-probe-%d", mount, (int)getpid());
	if (mkdir(path, 0700) < 0 || (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    fstat(fd, &st) < 0)
		r = err_set(e, errno, "cannot make the cgroup %s: %s", path, strerror(errno));
	else
		r = wall_attach(w, fd, st.st_ino, e);
	rmdir(path);
	return r;
}

static void try_wall(FILE *to)
{
	struct wall *w = NULL;
	struct err e;
	int r = wall_new(&w, &e);

	if (r == 0)
		r = attach_wall(w, &e);
	wall_free(w);
	fprintf(to, "socket_wall %s\n", r == 0 ? "yes" : strerror(-r));
}

static void try_flight(FILE *to)
{
	struct flight *f = NULL;
	struct err e;
	int r = flight_new(&f, &e);

	flight_free(f);
	fprintf(to, "slow_payloads %s\n", r == 0 ? "yes" : strerror(-r));
}

/* Without root, in a user namespace, if the host lets ordinary users make one. */
static int leave(struct err *e)
{
	if (unshare(CLONE_NEWNET) == 0 ||
	    (errno == EPERM && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0))
		return 0;
	return err_set(e, errno, "cannot make a network namespace to try in: %s", strerror(errno));
}

static struct mnl_socket *open_socket(void)
{
	struct timeval timeout = {.tv_sec = PATIENCE_S};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (!nl)
		return NULL;
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0)
		return nl;
	mnl_socket_close(nl);
	return NULL;
}

int probe_print(FILE *to, struct err *e)
{
	struct mnl_socket *nl;
	int r;

	try_wall(to);
	try_flight(to);
	fflush(to);
	r = leave(e);
	if (r < 0)
		return r;
	for (size_t i = 0; i <= sizeof(features) / sizeof(features[0]); i++) {
		bool last = i == sizeof(features) / sizeof(features[0]);

		/* a socket per feature: a table with an owner ends with its socket */
		nl = open_socket();
		if (!nl)
			return err_set(e, errno, "cannot open a netlink socket to netfilter: %s",
				       strerror(errno));
		r = last ? try_nfqueue(nl) : try_feature(nl, &features[i]);
		fprintf(to, "%s %s\n", last ? "nfqueue" : features[i].name,
			r == 0 ? "yes" : strerror(-r));
		mnl_socket_close(nl);
	}
	return 0;
}
