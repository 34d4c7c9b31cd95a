/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_GET_H
#define _MMUN_GET_H

/* For the module's load and unload. */
int mmun_get_init(void);
void mmun_get_exit(void);

#endif /* _MMUN_GET_H */
