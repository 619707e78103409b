/* VMs and fork(2): what a program forks is not their owner. Any thread. */
#pragma once

struct mayfly;

/* From now on a child that is forked has none of the VM's descriptors, so that the VM ends with its
 * owner, and cannot end it. 0, or a negative errno value. */
int mayfly_keep_from_children(struct mayfly* vm);

/* Between them no child is forked, so that none has descriptors that are not the VM's yet. Short.
 */
void mayfly_hold_forks(void);
void mayfly_release_forks(void);

/* The VM is being destroyed. */
void mayfly_forget(struct mayfly* vm);

/* Closes all descriptors of the VM's. */
void mayfly_close_all(struct mayfly* vm);
