// Login: who a connection is, where the Kafka listener demands that (SASL PLAIN).
//
// Owner: Session. It says which requests may be worked on yet, and whether a client's token is
// right; it sends nothing and knows no time.
//
// A client first asks for a mechanism (SaslHandshake) and then proves who it is: in
// SaslAuthenticate, or, when its handshake was of version 0, in frames that are nothing but tokens.
#pragma once

#include <cstdint>
#include <string>

#include "auth/directory.h"
#include "base/bytes.h"

namespace trv::kafka {

class Login {
 public:
  enum class State {
    unneeded,      // everybody may do everything
    expected,      // only its handshake, and what versions there are
    proving,       // the next is SaslAuthenticate
    proving_bare,  // the next frame is a token without a request around it
    done,
    refused,  // the connection is about to be closed
  };

  explicit Login(bool needed) : state_(needed ? State::expected : State::unneeded) {}

  State state() const { return state_; }
  // Whether a request of this key may be worked on now; if not, the connection ends.
  bool admits(std::int16_t key) const;

  // Requires: expected.
  void begin(bool bare);
  // Empty, or why the token is not good enough. Requires: proving or proving_bare.
  std::string prove(const auth::Directory& directory, ByteView token, bool near);
  void refuse() { state_ = State::refused; }
  // Who it is; the word for nobody in particular before a login, and where none is asked for.
  const std::string& user() const { return user_; }

 private:
  State state_;
  std::string user_ = "ANONYMOUS";
};

// The only one there is.
inline constexpr std::string_view login_mechanism = "PLAIN";

}  // namespace trv::kafka
