#include "base/lent_thread.hpp"

#include <utility>

void LentThread::serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return !tasks_.empty(); });
        // Moved out: one that is given meanwhile may move those that wait.
        std::function<void()> task = std::exchange(tasks_.front(), nullptr);
        lock.unlock();
        task();
        task = nullptr;  // what it holds may go when wait() returns
        lock.lock();
        tasks_.erase(tasks_.begin());
        changed_.notify_all();
    }
}

void LentThread::give(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
}

void LentThread::forget() {
    const std::lock_guard lock(mutex_);
    tasks_.clear();
}

void LentThread::wait() {
    if (::pthread_equal(thread_, ::pthread_self()) != 0) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return tasks_.empty(); });
}
