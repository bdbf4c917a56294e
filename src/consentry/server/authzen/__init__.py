"""OpenID AuthZEN Authorization API 1.0, with a profile for purposes and consent."""
