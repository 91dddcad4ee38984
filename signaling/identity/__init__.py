"""Sign-in (R13–R17): OAuth2 with the services of ΓΓΠΣΔΔ, OIDC, and a development provider."""
