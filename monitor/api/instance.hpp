// / and /version: which VM this is, how it is doing, and who speaks. API thread.
#pragma once

#include "monitor/api/controller.hpp"

HttpResponse tell_instance(const Controller& controller);
HttpResponse tell_version(const Controller& controller);
