// What changes users: ACL SETUSER, and the setting that gives `default` its password.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "redis/command.h"

namespace trv::redis {

// Makes of the user what the rules say, as ACL SETUSER does, and answers. `then` runs when it is
// done, before the answer, on whatever core: once all cores go by it, or, in a transaction, in it.
void change_user(Call& call, const std::string& name, const std::vector<std::string>& rules,
                 std::function<void(Service&)> then);

}  // namespace trv::redis
