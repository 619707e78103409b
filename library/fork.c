#include "library/fork.h"

#include <pthread.h>
#include <unistd.h>

#include "library/vm.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct mayfly* vms; /* all that there are; guarded by `mutex` */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

void mayfly_close_all(struct mayfly* vm) {
    int* const all[] = {&vm->process.pidfd, &vm->epoll, &vm->api,       &vm->ready,
                        &vm->errors,        &vm->timer, &vm->serial_in, &vm->serial_out};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); ++i) {
        if (*all[i] >= 0) close(*all[i]);
        *all[i] = -1;
    }
}

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&mutex);
}

/* To the child its parent's VMs have ended. */
static void after_fork_in_child(void) {
    for (struct mayfly* vm = vms; vm != NULL; vm = vm->next) {
        mayfly_close_all(vm);
        vm->process.is_reaped = true;
        vm->process.status = -1;
        vm->has_ended = vm->is_finished = true;
    }
    pthread_mutex_unlock(&mutex);
}

static void register_handlers(void) {
    once_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void mayfly_hold_forks(void) {
    pthread_mutex_lock(&mutex);
}

void mayfly_release_forks(void) {
    pthread_mutex_unlock(&mutex);
}

int mayfly_keep_from_children(struct mayfly* vm) {
    pthread_once(&once, register_handlers);
    if (once_error != 0) return -once_error;
    pthread_mutex_lock(&mutex);
    vm->next = vms;
    vm->previous = NULL;
    if (vms != NULL) vms->previous = vm;
    vms = vm;
    vm->is_listed = true;
    pthread_mutex_unlock(&mutex);
    return 0;
}

void mayfly_forget(struct mayfly* vm) {
    if (!vm->is_listed) return;
    pthread_mutex_lock(&mutex);
    if (vm->previous != NULL)
        vm->previous->next = vm->next;
    else
        vms = vm->next;
    if (vm->next != NULL) vm->next->previous = vm->previous;
    pthread_mutex_unlock(&mutex);
}
