// SPDX-License-Identifier: GPL-2.0-only
/* Who leaves has to wait. */
/*
 * The list is walked. What is not there is taken; and
 * this line ends. Whom its own start has put gets no end.
 *
 * - Whoever unlinks it may free it.
 * @mm: That which is mirrored.
 */
int x; /* It is the driver who frees. */
static const char help[] = "Done. What failed is above.\n";
// A subscriber hears the end of a counted range.
static bool tell_starts(void);
