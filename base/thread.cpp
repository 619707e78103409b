#include "base/thread.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

// Deep enough for printf, and for the 900 KiB that a sanitizer puts on every stack; only touched
// pages cost memory.
constexpr size_t kStackBytes = 1 << 20;
// At both ends of the stack: to run over one is a fault, and no neighbour (guest RAM) grows into
// one mapping with it.
constexpr size_t kGuardBytes = 4096;

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): each thread's own.
thread_local const char* current = "main";

}  // namespace

const char* Thread::current_name() {
    return current;
}

void Thread::name_caller(const char* name) {
    current = name;
}

void Thread::State::run() {
    id = ::gettid();
    body();
    id = 0;
}

void* Thread::run(void* argument) {
    auto* const state = static_cast<State*>(argument);
    current = state->name;
    ::prctl(PR_SET_NAME, state->name);
    state->run();
    return nullptr;
}

Result<Thread> Thread::start(const char* name, std::function<void()> body) {
    Mapping stack = TRY(Mapping::inaccessible(kGuardBytes + kStackBytes + kGuardBytes));
    const auto usable = stack.bytes().subspan(kGuardBytes, kStackBytes);
    if (::mprotect(usable.data(), usable.size(), PROT_READ | PROT_WRITE) != 0)
        return Error::from_errno("mprotect");
    leave_out_of_dumps(usable);
    auto state = std::make_unique<State>(name, std::move(body));
    state->stack.emplace(std::move(stack));
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstack(&attributes, usable.data(), usable.size());
    const int error = ::pthread_create(&state->handle, &attributes, &Thread::run, state.get());
    ::pthread_attr_destroy(&attributes);
    if (error != 0) return Error{"pthread_create", error, "raise the limit on processes"};
    return Thread{std::move(state)};
}

Thread Thread::on(LentThread& lent, std::function<void()> body) {
    auto state = std::make_unique<State>("", std::move(body));
    state->lent = &lent;
    lent.give([it = state.get()] { it->run(); });
    return Thread{std::move(state)};
}

void Thread::kill(int signal) const {
    if (const pid_t id = state_->id; id != 0) ::syscall(SYS_tgkill, state_->process, id, signal);
}

// Where it is put it stays, without being bound to it: nobody else's turn is there.
void Thread::move_elsewhere() {
    cpu_set_t processors;
    if (::sched_getaffinity(0, sizeof(processors), &processors) != 0) return;
    cpu_set_t others = processors;
    CPU_CLR(static_cast<size_t>(::sched_getcpu()), &others);
    const cpu_set_t none{};
    if (CPU_EQUAL(&others, &none)) return;
    if (::pthread_setaffinity_np(state_->handle, sizeof(others), &others) == 0)
        ::pthread_setaffinity_np(state_->handle, sizeof(processors), &processors);
}

Thread::~Thread() {
    if (state_ == nullptr) return;
    if (state_->lent != nullptr)
        state_->lent->wait();
    else
        ::pthread_join(state_->handle, nullptr);
}
