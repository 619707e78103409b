#include "monitor/process/status.hpp"

bool is_without_status(const Ending& ending, StdioKind stdio) {
    return ending.cause == Ending::Cause::kGuest && stdio == StdioKind::kChannel;
}

int status_of(const Ending& ending, StdioKind stdio, const StatusTable& statuses) {
    switch (ending.cause) {
        case Ending::Cause::kReport:
            return ending.status;
        case Ending::Cause::kGuest:
            return is_without_status(ending, stdio) ? statuses.guest_crashed : 0;
        case Ending::Cause::kCrash:
            return statuses.guest_crashed;
        case Ending::Cause::kUser:
            return 0;
        case Ending::Cause::kVersion:
        case Ending::Cause::kMonitor:
            return statuses.monitor_failed;
        case Ending::Cause::kSignal:
            return kStatusSignalBase + ending.status;
        case Ending::Cause::kHungUp:
            return kStatusHungUp;
        case Ending::Cause::kTimeout:
            return statuses.timeout;
    }
    __builtin_unreachable();
}
