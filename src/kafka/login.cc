#include "kafka/login.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/assert.h"
#include "base/mutant.h"
#include "kafka/wire/api_versions.gen.h"
#include "kafka/wire/sasl_authenticate.gen.h"
#include "kafka/wire/sasl_handshake.gen.h"

namespace trv::kafka {
namespace {

struct PlainToken {
  ByteView identity;
  ByteView user;
  ByteView password;
};

// Authorization identity, 0, user, 0, password (RFC 4616).
std::optional<PlainToken> parse_plain(ByteView token) {
  const std::size_t first = token.find('\0');
  const std::size_t second = first == ByteView::npos ? first : token.find('\0', first + 1);
  if (second == ByteView::npos || token.find('\0', second + 1) != ByteView::npos) return {};
  return PlainToken{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1)};
}

// Rights on single names are not looked at here, so nobody gets in who has less than all.
bool may_everything(const auth::Directory& directory, std::string_view user) {
  const auth::Rights* rights = directory.rights(user, "/");
  return rights != nullptr &&
         std::all_of(rights->patterns.begin(), rights->patterns.end(),
                     [](const Pattern& pattern) { return pattern.text() == ".*"; }) &&
         rights->topics.empty();
}

}  // namespace

bool Login::admits(std::int16_t key) const {
  switch (state_) {
    case State::unneeded:
    case State::done:
      return true;
    case State::expected:
      return key == wire::ApiVersionsApi::key || key == wire::SaslHandshakeApi::key;
    case State::proving:
      return key == wire::SaslAuthenticateApi::key;
    case State::proving_bare:
    case State::refused:
      return false;
  }
  return false;
}

void Login::begin(bool bare) {
  TRV_ASSERT(state_ == State::expected);
  state_ = bare ? State::proving_bare : State::proving;
}

std::string Login::prove(const auth::Directory& directory, ByteView token, bool near) {
  TRV_ASSERT(state_ == State::proving || state_ == State::proving_bare);
  std::optional<PlainToken> plain = parse_plain(token);
  if (!plain) return "Authentication failed: not a token of SASL PLAIN";
  if (plain->user.empty()) return "Authentication failed: username not specified";
  if (plain->password.empty()) return "Authentication failed: password not specified";
  const bool near_only = plain->user == auth::Directory::first_user;
  const bool known = directory.log_in(plain->user, plain->password) != nullptr;
  if ((!known && !TRV_MUTANT(kafka_password_not_compared)) || (near_only && !near)) {
    return "Authentication failed: Invalid username or password";
  }
  if (!plain->identity.empty() && plain->identity != plain->user) {
    return "Authentication failed: Client requested an authorization id that is different from "
           "username";
  }
  if (!may_everything(directory, plain->user)) {
    return "Authentication failed: the user lacks rights in /, and rights on single topics are not "
           "known to Kafka clients";
  }
  user_ = std::string(plain->user);
  state_ = State::done;
  return {};
}

}  // namespace trv::kafka
