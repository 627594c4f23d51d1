/* The system call filters, loaded as they were built (seccomp_gen.c). */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "agentctl/plan.h"

#include "seccomp_filters.h" /* programs, text */

int seccomp_base(uint64_t bits, struct err *e)
{
	if (bits >= SECCOMP_FILTERS)
		return err_set(e, EINVAL, "there is no such system call filter");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &programs[bits]) < 0)
		return err_set(e, errno, "cannot load the system call filter: %s", strerror(errno));
	return 0;
}

void seccomp_print(uint64_t bits, FILE *to)
{
	if (bits & SECCOMP_NO_UNIX)
		fputs("    no unix sockets but socketpair\n", to);
	if (bits & SECCOMP_NO_NETWORK)
		fputs("    no network sockets\n", to);
	if (bits & SECCOMP_NO_MEMFD)
		fputs("    no memfd_create: files without a name could be run\n", to);
	fputs("    sockets: unix, inet, inet6, netlink-route; streams, datagrams and ping only\n"
	      "    no new namespaces, no TIOCSTI, no SO_ZEROCOPY, no execution of unnamed files\n",
	      to);
	fputs(text, to);
}
