"""What tests share: real servers, waiting on conditions, tokens, builders."""
