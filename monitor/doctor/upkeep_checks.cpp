// What keeps a host going: memory that many VMs share, logs that do not fill its disk.

#include "monitor/doctor/check.hpp"

namespace {

// "always [madvise] never".
Finding huge_pages(const Host& host) {
    const auto line = host.files.line("sys/kernel/mm/transparent_hugepage/enabled");
    if (!line.ok())
        return line.error().code == ENOENT ? fine("not in this kernel") : unreadable(line.error());
    if (!holds_word(line.value(), "[always]")) return fine(line.value());
    return warning("always: a VM that touches a byte holds 2 MiB",
                   "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
}

// journald bounds its files and its rate by default. What takes a bound away is a setting of 0, or
// of infinity, in the main file or in a drop-in of one of three folders.
bool unbounds(std::string_view text, std::string& which) {
    for (const std::string_view key :
         {"SystemMaxUse", "RuntimeMaxUse", "RateLimitIntervalSec", "RateLimitBurst"}) {
        const auto value = value_of(text, key);
        if (!value.has_value()) continue;
        const bool is_off = *value == "0" || *value == "infinity" || *value == "0s";
        if (is_off) which.append(which.empty() ? "" : ", ").append(key);
    }
    return !which.empty();
}

Finding logs(const Host& host) {
    if (!host.files.has("run/systemd/journal/socket"))
        return skipped("no journald here", "bound what stderr and --log-path lead to by logrotate");
    std::string which;
    for (const char* const folder : {"etc/systemd", "run/systemd", "usr/lib/systemd"}) {
        const std::string main = joined({folder, "/journald.conf"});
        const auto text = host.files.text(main.c_str());
        if (text.ok()) unbounds(text.value(), which);
        for (const std::string& name : host.files.names(joined({main, ".d"}).c_str())) {
            const auto more = host.files.text(joined({main, ".d/", name}).c_str());
            if (more.ok()) unbounds(more.value(), which);
        }
    }
    if (which.empty()) return fine("journald bounds size and rate");
    return warning(joined({"journald is unbounded: ", which}),
                   "set SystemMaxUse=, RateLimitIntervalSec= and RateLimitBurst= in journald.conf");
}

}  // namespace

Findings upkeep_findings(const Host& host) {
    Findings found;
    found.push_back({"huge-pages", huge_pages(host)});
    found.push_back({"logs", logs(host)});
    return found;
}
