/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit statuses of agentctl that are not the command's own. */
#ifndef AGENTFW_EXIT_STATUS_H
#define AGENTFW_EXIT_STATUS_H

#define EXIT_PROTECTED   123 /* the command made protected places */
#define EXIT_LIMIT       124 /* a limit ended the command */
#define EXIT_CTL         125 /* agentctl itself failed */
#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND   127

#endif
