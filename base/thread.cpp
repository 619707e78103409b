#include "base/thread.hpp"

#include <csignal>

namespace {

// Deep enough for printf and for a sanitizer's frames; only touched pages cost memory.
constexpr size_t kStackBytes = 256 << 10;

}  // namespace

void* Thread::run(void* argument) {
    const auto* const state = static_cast<const State*>(argument);
    ::pthread_setname_np(::pthread_self(), state->name);
    state->body();
    return nullptr;
}

Result<Thread> Thread::start(const char* name, std::function<void()> body) {
    auto state = std::make_unique<State>(State{name, std::move(body), {}});
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStackBytes);
    const int error = ::pthread_create(&state->handle, &attributes, &Thread::run, state.get());
    ::pthread_attr_destroy(&attributes);
    if (error != 0) return Error{"pthread_create", error, "raise the limit on processes"};
    return Thread{std::move(state)};
}

void Thread::kill(int signal) const {
    ::pthread_kill(state_->handle, signal);
}

Thread::~Thread() {
    if (state_ != nullptr) ::pthread_join(state_->handle, nullptr);
}
