-- The reporters that the operator accepts, by domain.
SELECT acceptance, signer, address, note, name, recorded_at
FROM accepted WHERE withdrawn_at IS NULL ORDER BY signer, address, acceptance
