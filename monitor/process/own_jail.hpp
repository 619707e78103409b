// `mayfly run --jail`: the process puts itself into a jail, once all files, disks and TAPs that its
// command line names are open. Nothing of it is on the host, so nothing is left of it. Main thread,
// before others start, but for the one that makes the VM, which ends first.
#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "jailer/namespaces.hpp"
#include "monitor/machine/signals.hpp"

class OwnJail {
public:
    // Before anything is opened: closes what the caller has left open but stdin, stdout, stderr and
    // `kept`, and wipes the environment. `ids`: whom the VM runs as; without them, root gives each
    // VM ids of its own, and everybody else stays who they are. Who is not root enters a user
    // namespace here, before the process has a VM: KVM may start a kernel thread in it. What goes
    // on is the first process of a namespace of its own; `signals`: what its keeper hands on to it.
    // Errors: as enter_user_namespace() and enter_process_namespace().
    static Result<OwnJail> prepare(const std::optional<JailIds>& ids, std::vector<int> kept,
                                   SignalsFor signals);

    // The socket to the keeper, which is open until the process ends.
    int keeper() const { return keeper_; }

    // An empty root; mount, ipc, uts and network namespaces: for this thread and those that it
    // starts. Errors: as the functions of jailer/.
    Result<> enter_root() const;

    // No capability any more, and the ids, likewise. Errors: as drop_privileges() of jailer/.
    Result<> drop_privileges() const;

private:
    OwnJail(const std::optional<JailIds>& given, const JailIds& unique, bool is_root, int keeper)
        : given_(given), unique_(unique), is_root_(is_root), keeper_(keeper) {}
    Result<> take_ids() const;

    std::optional<JailIds> given_;
    JailIds unique_;
    bool is_root_;
    int keeper_;
};
