#include "monitor/process/own_jail.hpp"

#include <unistd.h>

#include <cstring>

#include "jailer/files.hpp"
#include "jailer/privileges.hpp"
#include "jailer/root.hpp"
#include "monitor/process/keeper.hpp"

namespace {

// nobody and nogroup of Debian.
constexpr JailIds kNobody{65534, 65534};

// Above what distributions give to users and containers: no two VMs share one, and no file has it.
JailIds ids_of_this_process() {
    constexpr uint32_t kFirst = 0x7000'0000;
    const uint32_t id = kFirst + static_cast<uint32_t>(::getpid());
    return {id, id};
}

// The strings too, which whoever reads the process's memory would find.
void wipe_environment() {
    for (char** variable = environ; *variable != nullptr; ++variable)
        ::explicit_bzero(*variable, std::strlen(*variable));
    *environ = nullptr;
}

}  // namespace

Result<OwnJail> OwnJail::prepare(const std::optional<JailIds>& ids, std::vector<int> kept,
                                 SignalsFor signals) {
    kept.insert(kept.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
    TRY(close_all_but(std::move(kept)));
    wipe_environment();
    const bool is_root = ::geteuid() == 0;
    if (!is_root) TRY(enter_user_namespace(ids.value_or(kNobody)));
    const JailIds unique = ids_of_this_process();
    return OwnJail{ids, unique, is_root, TRY(enter_process_namespace(signals))};
}

Result<> OwnJail::enter_root() const {
    TRY(enter_namespaces(Network::kEmpty));  // a TAP that is open works from there too
    return enter_empty_root();
}

Result<> OwnJail::drop_privileges() const {
    TRY(take_ids());
    return end_with_keeper(keeper_);
}

Result<> OwnJail::take_ids() const {
    if (!is_root_) return ::drop_privileges(given_.value_or(kNobody), Groups::kKeep);
    const Result<> dropped = ::drop_privileges(given_.value_or(unique_), Groups::kDrop);
    // Inside a container that has fewer users than that.
    if (!dropped.ok() && dropped.error().code == EINVAL && !given_.has_value())
        return ::drop_privileges(kNobody, Groups::kDrop);
    return dropped;
}
