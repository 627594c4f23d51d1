/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's own log lines, for programs only; libraries return errors instead. */
#ifndef AGENTFW_BASE_LOG_H
#define AGENTFW_BASE_LOG_H

/* name is the prefix of every line; verbose lets log_debug through. Lines go to stderr. */
void log_init(const char *name, int verbose);
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
