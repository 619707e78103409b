/* What the parts of as-thread share. */
#pragma once

#include "thread.h"

/* Prints what came of an attempt and counts it; ends this program where the thread has ended. The
 * attempt has also succeeded where only its arguments were wrong, as the error `nearly` says; 0:
 * none does. */
void say(const char* name, struct Outcome outcome, int nearly);

/* Puts requests into the io_uring that the thread waits for. */
void try_ring(struct Thread* thread);

/* Makes one, and puts requests into that. */
void try_new_ring(struct Thread* thread);
