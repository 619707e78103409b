// The end of init when it cannot do its work: one line that names the thing, and status 125, which
// is also what the monitor's own failures end with.
#pragma once

// Says "mayfly: init: SUBJECT: WHAT: reason of errno" where the user will see it and powers off
// with status 125. `subject` may be nullptr.
[[noreturn]] void fail(const char* what, const char* subject = nullptr);

// For what the program can do without: says the line and goes on.
void warn(const char* what, const char* subject = nullptr);
