/* background: a thread whose work can wait a moment: reloads, pages, log lines. Where it shares a core with a
 * worker, the worker comes first. */
#ifndef GATEWAY_BASE_BACKGROUND_H
#define GATEWAY_BASE_BACKGROUND_H

/* The calling thread steps back for good; threads it makes afterwards inherit it. Does nothing where a
 * scheduling policy was chosen from outside. */
void background_enter(void);

#endif
