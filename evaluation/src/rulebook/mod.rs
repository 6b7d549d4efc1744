//! `rulebook`: the provider that needs no network.
