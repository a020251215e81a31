The vendor's root keys, *.jwks, as `entitle-portal init` writes them (roots.jwks). The vendor's package brings them here; those of
an operator go into /etc/entitled/roots.d. What no key from these two folders vouches for is no license.
