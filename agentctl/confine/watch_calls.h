/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls that are watched, for the filter (seccomp_gen.c) and its listener
 * (seen/watch.c). A call with two paths stands here twice. */
#ifndef AGENTFW_WATCH_CALLS_H
#define AGENTFW_WATCH_CALLS_H

#include <sys/syscall.h>

enum call_kind {
	CALL_OPEN,   /* extra: where the flags stand */
	CALL_OPEN2,  /* extra: where struct open_how stands */
	CALL_CREATE, /* makes a file or empties it */
	CALL_EXEC,
	CALL_NEW,     /* fails when the path is there already */
	CALL_REMOVE,  /* fails when it is not there; follows no link */
	CALL_REPLACE, /* works whether it is there or not */
	CALL_CHANGE,  /* changes the file's content */
	CALL_CONNECT, /* path: where the address stands; extra: its length */
};

#define AT_CWD (-1) /* no argument: paths count from the working directory */

struct watched_call {
	int nr;
	enum call_kind kind;
	int dirfd, path, extra; /* numbers of arguments */
};

static const struct watched_call watched_calls[] = {
#ifdef SYS_open
    {SYS_open, CALL_OPEN, AT_CWD, 0, 1},       {SYS_creat, CALL_CREATE, AT_CWD, 0, 0},
    {SYS_mkdir, CALL_NEW, AT_CWD, 0, 0},       {SYS_mknod, CALL_NEW, AT_CWD, 0, 0},
    {SYS_unlink, CALL_REMOVE, AT_CWD, 0, 0},   {SYS_rmdir, CALL_REMOVE, AT_CWD, 0, 0},
    {SYS_rename, CALL_REMOVE, AT_CWD, 0, 0},   {SYS_rename, CALL_REPLACE, AT_CWD, 1, 0},
    {SYS_link, CALL_NEW, AT_CWD, 1, 0},        {SYS_symlink, CALL_NEW, AT_CWD, 1, 0},
#endif
#ifdef SYS_renameat
    {SYS_renameat, CALL_REMOVE, 0, 1, 0},      {SYS_renameat, CALL_REPLACE, 2, 3, 0},
#endif
    {SYS_openat, CALL_OPEN, 0, 1, 2},          {SYS_openat2, CALL_OPEN2, 0, 1, 2},
    {SYS_execve, CALL_EXEC, AT_CWD, 0, 0},     {SYS_execveat, CALL_EXEC, 0, 1, 0},
    {SYS_mkdirat, CALL_NEW, 0, 1, 0},          {SYS_mknodat, CALL_NEW, 0, 1, 0},
    {SYS_unlinkat, CALL_REMOVE, 0, 1, 0},      {SYS_renameat2, CALL_REMOVE, 0, 1, 0},
    {SYS_renameat2, CALL_REPLACE, 2, 3, 0},    {SYS_linkat, CALL_NEW, 2, 3, 0},
    {SYS_symlinkat, CALL_NEW, 1, 2, 0},        {SYS_truncate, CALL_CHANGE, AT_CWD, 0, 0},
    {SYS_connect, CALL_CONNECT, AT_CWD, 1, 2},
};

#endif
